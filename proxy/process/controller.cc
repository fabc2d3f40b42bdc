#include "process/controller.h"

#include <sys/socket.h>

#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "process/build_details.h"
#include "process/change.h"
#include "process/explain.h"
#include "shm/processes.h"

namespace banyan::process {
namespace {

shm::Segment make_scratch() {
  auto segment = shm::Segment::create();
  CHECK(segment.ok());
  return std::move(*segment);
}

}  // namespace

Controller::Controller(Child& child)
    : child_(child),
      scratch_(make_scratch()),
      windows_(child.workplace().segment(), child.workplace().directory(), child.workplace().loop()),
      probes_({child.workplace().loop(), child.workplace().fetcher(), child.workplace().resolver(),
               child.workplace().segment(), child.workplace().directory(), child.workplace().counters()}),
      hooks_({child.workplace().loop(), child.workplace().fetcher(),
              static_cast<control::HookStarter&>(*this)}) {}

Controller::~Controller() = default;

void Controller::on_generation(std::shared_ptr<Generation> generation, const NamedFds&) {
  bool first = !generation_;
  warned_of_certificates_ = child_.workplace().loop().wall();
  generation_ = std::move(generation);
  if (first) open(config());
  hooks_.look(*book_);
  hooks_.adopt(config().rollouts);
  book_->adopt(config().rollouts);
  windows_.adopt(config().rollouts);
  driver_->tick();
  probes_.switch_to(config().upstreams);
  // Without one (the address is gone from the configuration, but open until a restart) the old one stays.
  const std::string& token = config().admin.token.value;
  for (auto& door : doors_) {
    if (!door->local() && !token.empty()) door->set_token(token);
  }
}

// state_dir and the admin addresses of the first configuration hold until a restart.
void Controller::open(const config::Config& config) {
  Workplace& here = child_.workplace();
  book_ = control::RolloutBook::open(config.state_dir, here.segment(), here.directory(), here.loop());
  driver_.emplace(*book_, gates_, here.loop());
  api_ = std::make_unique<admin::Api>(admin::Sources{*this, *book_, here.segment(), here.directory(),
                                                     here.loop(), here.buffers(), version()});
  for (const auto& [address, fd] : child_.admin_sockets()) {
    doors_.push_back(std::make_unique<AdminDoor>(
        AdminDoor::Surroundings{here.loop(), here.buffers(), scratch_, *api_}, fd.get(), address));
  }
}

std::vector<std::string> Controller::remarks(const config::Config& next) const {
  return control::live_differences(next.state_dir, next.rollouts);
}

void Controller::on_second() {
  if (!driver_) return;
  windows_.sample();
  driver_->tick();
  hooks_.look(*book_);
  warn_of_certificates();
}

// Once a day; the start and each reload say it themselves.
void Controller::warn_of_certificates() {
  const WallTime now = child_.workplace().loop().wall();
  if (now - warned_of_certificates_ < std::chrono::days(1)) return;
  warned_of_certificates_ = now;
  for (const std::string& line : generation_->certificate_warnings(now)) LOG(warn, "{}", line);
}

std::vector<Controller::Certificate> Controller::certificates() const {
  std::vector<Certificate> all;
  for (const auto& each : generation_->certificates()) all.push_back({each.path, each.not_after});
  return all;
}

std::optional<Controller::Predecessor> Controller::predecessor() const {
  const pid_t pid = child_.predecessor();
  // It may run as another user than we do. At its end it says so itself: its number may be another's by then.
  if (pid == 0 || (kill(pid, 0) != 0 && errno != EPERM)) return std::nullopt;
  if (child_.predecessor_segment() &&
      child_.predecessor_segment()->layout().processes[shm::kMasterSlot].state.load(
          std::memory_order_acquire) == static_cast<uint32_t>(shm::ProcessState::none)) {
    return std::nullopt;
  }
  Predecessor old{.pid = static_cast<uint32_t>(pid)};
  if (child_.predecessor_segment()) {
    for (const shm::ProcessView& process : shm::list_processes(*child_.predecessor_segment())) {
      old.connections += process.connections;
    }
  }
  return old;
}

void Controller::on_drain(Millis, bool) { child_.finish(); }
void Controller::on_stop() { child_.finish(); }

void Controller::on_reload(const Outcome& outcome) {
  last_reload_ = {.applied = outcome.done, .when = child_.workplace().loop().wall(), .lines = outcome.lines};
}

void Controller::on_outcome(uint64_t request, const Outcome& outcome) {
  api_->on_outcome(request, outcome.done, outcome.lines);
}

void Controller::on_kept(uint64_t request, const Fd& sources) {
  auto kept = from_memfd(sources, 0);
  if (kept) return api_->on_outcome(request, true, {config::print((*kept)->config)});
  api_->on_outcome(request, false, split_lines(kept.error().message));
}

uint64_t Controller::ask_reload(const admin::ChangeOrder& order) {
  return child_.ask(MessageType::ask_reload, order_text(order));
}

uint64_t Controller::ask_rollback(const admin::ChangeOrder& order) {
  return child_.ask(MessageType::ask_rollback, order_text(order));
}

uint64_t Controller::ask_confirm(const admin::ChangeOrder& order) {
  return child_.ask(MessageType::ask_confirm, order_text(order));
}

uint64_t Controller::ask_kept(uint32_t number) {
  return child_.ask(MessageType::ask_kept, order_text({.who = {}, .why = {}, .number = number}));
}

Result<int> Controller::start_hook(const std::string& rollout) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("make a line to the command", errno);
  }
  child_.ask_hook(rollout, Fd(ends[0]));
  return ends[1];
}

bool Controller::ready() const {
  auto is_ready = [this](uint32_t slot) {
    auto state = child_.workplace().segment().layout().processes[slot].state.load(std::memory_order_acquire);
    return state == static_cast<uint32_t>(shm::ProcessState::ready);
  };
  if (!is_ready(shm::kMasterSlot)) return false;
  for (uint32_t i = 0; i < child_.worker_count(); ++i) {
    if (!is_ready(shm::worker_slot(i))) return false;
  }
  return true;
}

Result<void> Controller::purge(std::string_view handler, const handler::Purge& purge) {
  const route::Target* target = generation_->find_target("handler." + std::string(handler));
  if (!target) return client_error(404, "there is no handler " + std::string(handler));
  return target->endpoint->handler->purge(purge);
}

Result<admin::Explanation> Controller::explain(const admin::ExplainRequest& request) {
  return process::explain(*generation_, request, random_);
}

}  // namespace banyan::process
