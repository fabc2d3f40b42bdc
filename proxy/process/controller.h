// The controller: the only writer of rollout state and health, and the one that serves the admin API. It
// builds the same generations as the workers, and before them: to see that a configuration can be built, and
// to explain.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "admin/api.h"
#include "admin/backend.h"
#include "base/random.h"
#include "control/event_hooks.h"
#include "control/health_probes.h"
#include "control/rollout_book.h"
#include "control/rollout_driver.h"
#include "process/admin_door.h"
#include "process/child.h"

namespace banyan::process {

class Controller final : public Role, private admin::Backend, private control::HookStarter {
 public:
  explicit Controller(Child& child);
  ~Controller() override;

  // Role
  void on_generation(std::shared_ptr<Generation> generation, const NamedFds& sockets) override;
  std::vector<std::string> remarks(const config::Config& next) const override;
  void on_drain(Millis time, bool paced) override;
  void on_stop() override;
  void on_second() override;
  void on_reload(const Outcome& outcome) override;
  void on_outcome(uint64_t request, const Outcome& outcome) override;
  void on_kept(uint64_t request, const Fd& sources) override;

 private:
  // admin::Backend
  const config::Config& config() const override { return generation_->config(); }
  uint32_t generation() const override { return generation_->number(); }
  std::optional<admin::ReloadResult> last_reload() const override { return last_reload_; }
  bool ready() const override;
  uint64_t ask_reload(const admin::ChangeOrder& order) override;
  uint64_t ask_rollback(const admin::ChangeOrder& order) override;
  uint64_t ask_confirm(const admin::ChangeOrder& order) override;
  uint64_t ask_history() override { return child_.ask(MessageType::ask_history); }
  uint64_t ask_kept(uint32_t number) override;
  const admin::Standing& standing() const override { return child_.standing(); }
  uint64_t ask_reopen() override { return child_.ask(MessageType::ask_reopen); }
  Result<admin::Explanation> explain(const admin::ExplainRequest& request) override;
  std::string seccomp() const override { return child_.seccomp(); }
  std::vector<Certificate> certificates() const override;
  std::optional<Predecessor> predecessor() const override;
  Result<void> purge(std::string_view handler, const handler::Purge& purge) override;

  // control::HookStarter
  Result<int> start_hook(const std::string& rollout) override;

  void open(const config::Config& config);
  void warn_of_certificates();

  Child& child_;
  Random random_;
  std::shared_ptr<Generation> generation_;
  shm::Segment scratch_;  // where admin requests are counted: they are no traffic
  std::unique_ptr<control::RolloutBook> book_;
  control::GateWindows windows_;
  control::WindowGates gates_{windows_};
  std::optional<control::RolloutDriver> driver_;
  control::HealthProbes probes_;
  control::EventHooks hooks_;
  std::unique_ptr<admin::Api> api_;
  std::vector<std::unique_ptr<AdminDoor>> doors_;
  std::optional<admin::ReloadResult> last_reload_;
  WallTime warned_of_certificates_{};
};

}  // namespace banyan::process
