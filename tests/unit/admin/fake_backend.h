// A controller's insides for tests of the admin API: a real book and segment, a backend that remembers what
// it is asked.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/api.h"
#include "event/loop.h"
#include "shm/processes.h"
#include "support/fake_call.h"
#include "support/temporary_folder.h"

namespace banyan::testing {

class FakeBackend final : public admin::Backend {
 public:
  const config::Config& config() const override { return config_; }
  uint32_t generation() const override { return 7; }
  std::optional<admin::ReloadResult> last_reload() const override { return last_reload_; }
  bool ready() const override { return ready_; }
  uint64_t ask_reload(const admin::ChangeOrder& order) override { return ask("reload", order); }
  uint64_t ask_rollback(const admin::ChangeOrder& order) override { return ask("rollback", order); }
  uint64_t ask_confirm(const admin::ChangeOrder& order) override { return ask("confirm", order); }
  uint64_t ask_history() override { return ask("history", {}); }
  uint64_t ask_kept(uint32_t number) override {
    admin::ChangeOrder order;
    order.number = number;
    return ask("kept", order);
  }
  const admin::Standing& standing() const override { return standing_; }
  Result<void> purge(std::string_view handler, const handler::Purge& purge) override {
    if (handler != "content") return client_error(404, "there is no handler of that name");
    purged_ = purge;
    return {};
  }
  uint64_t ask_reopen() override { return ++asked_; }
  Result<admin::Explanation> explain(const admin::ExplainRequest& request) override {
    explained_ = request;
    return explanation_;
  }

  uint64_t ask(std::string what, const admin::ChangeOrder& order) {
    asked_for_ = std::move(what);
    order_ = order;
    return ++asked_;
  }

  config::Config config_;
  std::string asked_for_;
  admin::ChangeOrder order_;
  admin::Standing standing_;
  std::optional<admin::ReloadResult> last_reload_;
  bool ready_ = true;
  uint64_t asked_ = 0;
  std::optional<handler::Purge> purged_;
  admin::ExplainRequest explained_;
  admin::Explanation explanation_;
};

// One rollout "content" at 10% on the routes "batch" and one server of the upstream "node".
struct AdminHouse {
  AdminHouse() {
    config::Rollout rollout;
    rollout.name = rollout.salt = "content";
    rollout.percent = 1000;
    rollout.legacy = {config::Target::Kind::upstream, "node"};
    rollout.native = {config::Target::Kind::handler, "fast"};
    config::Upstream upstream;
    upstream.name = "node";
    upstream.servers.push_back({config::parse_address("127.0.0.1:3000").value(), 2, false, {}});
    config::Route route;
    route.name = "batch";
    route.path = {config::PathMatch::Kind::exact, "/batch"};
    route.methods = {"POST"};
    route.target = config::Target{config::Target::Kind::rollout, "content"};
    backend.config_.rollouts = {rollout};
    backend.config_.upstreams = {upstream};
    backend.config_.routes = {route};
    backend.config_.admin.token = {"a secret"};
    route_number = directory.add(shm::Kind::route, "batch").value();
    server_number = directory.add(shm::Kind::server, shm::server_name("node", "127.0.0.1:3000")).value();
    EXPECT_TRUE(directory.add(shm::Kind::rollout, "content").ok());
    shm::announce_process(segment, shm::worker_slot(0), 4711, 7, loop.wall());
    shm::set_process_state(segment, shm::worker_slot(0), shm::ProcessState::ready);
    book = control::RolloutBook::open(folder.path(), segment, directory, loop);
    book->adopt(backend.config_.rollouts);
    api = std::make_unique<admin::Api>(
        admin::Sources{backend, *book, segment, directory, loop, buffers, "1.2.3"});
  }

  event::Loop loop;
  BufferPools buffers;
  testing::TemporaryFolder folder;
  shm::Segment segment = shm::Segment::create().value();
  shm::Directory directory{segment};
  FakeBackend backend;
  std::unique_ptr<control::RolloutBook> book;
  std::unique_ptr<admin::Api> api;
  uint32_t route_number = 0;
  uint32_t server_number = 0;
};

}  // namespace banyan::testing
