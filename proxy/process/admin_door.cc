#include "process/admin_door.h"

#include <fmt/format.h>
#include <sys/socket.h>

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

// Who is at the other end of a unix socket, as the kernel knows him.
std::string peer_name(const std::string& name, int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return name;
  return fmt::format("{} (uid {})", name, peer.uid);
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

// The connections of those who order under one name.
class AdminDoor::Entrance final : Clients::Observer {
 public:
  Entrance(AdminDoor& door, const std::string& name)
      : door_(door),
        name_(name),
        front_({door.loop_, door.buffers_, door.counters_, door.rates_, door.in_flight_, door.rollouts_, door,
                0}),
        clients_(door.loop_, door.buffers_, front_, *this) {
    use_token(door.token_);
  }

  void use_token(const std::optional<std::string>& token) {
    auto target = std::make_shared<const Target>(door_.api_, name_, token);
    front_.switch_to({target, &target->site()});
  }
  Clients& clients() { return clients_; }

 private:
  void on_clients_changed() override {}

  AdminDoor& door_;
  std::string name_;
  exchange::Front front_;
  Clients clients_;
};

AdminDoor::AdminDoor(const Surroundings& here, int fd, const std::string& address)
    : loop_(here.loop),
      buffers_(here.buffers),
      api_(here.api),
      local_(address.starts_with("unix:")),
      name_(local_ ? "unix socket" : address),
      token_(local_ ? std::nullopt : std::optional(std::string())),
      counters_(here.scratch, shm::worker_slot(0)),
      rates_(here.scratch),
      in_flight_(here.scratch, shm::worker_slot(0)),
      rollouts_(here.scratch, shm::worker_slot(0)),
      door_(here.loop, fd, address, *this) {
  if (!door_.open()) LOG(error, "{} cannot be watched: out of memory or watches", address);
}

AdminDoor::~AdminDoor() = default;

void AdminDoor::set_token(const std::string& token) {
  CHECK(!local_);
  token_ = token;
  for (auto& [name, entrance] : entrances_) entrance->use_token(token_);
}

AdminDoor::Entrance& AdminDoor::entrance(const std::string& name) {
  std::unique_ptr<Entrance>& found = entrances_[name];
  if (!found) found = std::make_unique<Entrance>(*this, name);
  return *found;
}

void AdminDoor::on_client(Door& door, int fd, const net::IpAddress& peer) {
  (void)door;
  const std::string name = local_ ? peer_name(name_, fd) : name_;
  entrance(name).clients().add(net::make_plain_stream(loop_, fd), peer, 0);
}

}  // namespace banyan::process
