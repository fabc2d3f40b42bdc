// Forwarding a request to a group of servers: a Handler like any other.
#pragma once

#include <memory>

#include "handler/handler.h"
#include "upstream/group.h"

namespace banyan::upstream {

// The group is shared with the configurations that name the same upstream.
std::unique_ptr<handler::Handler> make_forward_handler(std::shared_ptr<Group> group);

}  // namespace banyan::upstream
