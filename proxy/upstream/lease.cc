#include "upstream/lease.h"

#include "upstream/group.h"

namespace banyan::upstream {

Lease::Lease(Group& group, Server& server, std::unique_ptr<http::H1Outbound> connection)
    : group_(&group), server_(&server), connection_(std::move(connection)) {}

void Lease::end() {
  if (!connection_) return;
  server_->end_request();
  group_->take_back(*server_, std::move(connection_));
}

}  // namespace banyan::upstream
