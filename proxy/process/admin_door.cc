#include "process/admin_door.h"

#include "base/check.h"
#include "base/log.h"

namespace banyan::process {
namespace {

config::Config site_config() {
  config::Config config;
  config.via.clear();
  config::Route route;
  route.name = "admin";
  route.path = {.kind = config::PathMatch::Kind::prefix, .value = "/"};
  route.target = config::Target{.kind = config::Target::Kind::handler, .name = "admin"};
  route.max_body = admin::Api::kLargestBody;
  route.access_log = false;
  config.routes.push_back(std::move(route));
  return config;
}

}  // namespace

// What stands where a generation stands for traffic. Requests under way keep it, so it may change under them.
class AdminDoor::Target final : public route::TargetBook {
 public:
  Target(admin::Api& api, const std::string& name, std::optional<std::string> token)
      : config_(site_config()), handler_(api, name, std::move(token)) {
    endpoint_ = {.name = "handler.admin", .handler = &handler_};
    target_.endpoint = &endpoint_;
    auto route = route::Route::make(config_.routes.front(), 0, *this);
    CHECK(route.ok());
    std::vector<std::unique_ptr<route::Route>> routes;
    routes.push_back(std::move(*route));
    router_ = std::make_unique<route::Router>(std::move(routes));
    site_ = {.config = &config_,
             .router = router_.get(),
             .targets = this,
             .script = nullptr,
             .script_number = 0,
             .inbound = {}};
  }
  const route::Target* find_target(std::string_view) const override { return &target_; }
  const exchange::Site& site() const { return site_; }

 private:
  config::Config config_;
  admin::ApiHandler handler_;
  route::Endpoint endpoint_;
  route::Target target_;
  std::unique_ptr<route::Router> router_;
  exchange::Site site_;
};

AdminDoor::AdminDoor(const Surroundings& here, int fd, const std::string& address)
    : loop_(here.loop),
      api_(here.api),
      local_(address.starts_with("unix:")),
      name_(local_ ? "unix socket" : address),
      counters_(here.scratch, shm::worker_slot(0)),
      rates_(here.scratch),
      in_flight_(here.scratch, shm::worker_slot(0)),
      rollouts_(here.scratch, shm::worker_slot(0)),
      front_({here.loop, here.buffers, counters_, rates_, in_flight_, rollouts_, *this, 0}),
      clients_(here.loop, here.buffers, front_, *this),
      door_(here.loop, fd, address, *this) {
  use_token(local_ ? std::nullopt : std::optional(std::string()));
  if (!door_.open()) LOG(error, "{} cannot be watched: out of memory or watches", address);
}

AdminDoor::~AdminDoor() = default;

void AdminDoor::set_token(const std::string& token) {
  CHECK(!local_);
  use_token(token);
}

void AdminDoor::use_token(std::optional<std::string> token) {
  auto target = std::make_shared<const Target>(api_, name_, std::move(token));
  front_.switch_to({target, &target->site()});
}

void AdminDoor::on_client(Door& door, int fd, const net::IpAddress& peer) {
  (void)door;
  clients_.add(net::make_plain_stream(loop_, fd), peer, 0);
}

}  // namespace banyan::process
