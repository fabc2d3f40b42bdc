// The life of a child: a fresh process within the fork, its line to the master, and the configuration it
// lives by.
//
//   fork ─▶ own signals, user, title ─▶ Generation of the inherited configuration ─▶ READY ─▶ role's work
//   PREPARE: another generation beside the running one ─▶ READY or REFUSED     COMMIT: it takes over ABORT:
//   it goes
//
// Worker and controller differ in their Role, and in nothing here.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event/timer.h"
#include "process/channel.h"
#include "process/generation.h"
#include "process/heap_trim.h"
#include "process/inheritance.h"
#include "process/log_files.h"
#include "process/outcome.h"
#include "process/workplace.h"

namespace banyan::process {

// Runs a controller or worker in a process that has just been forked; its exit code. Never touches the loop,
// the channels or the logs of the master's that it has copies of.
int live_as_child(Inheritance& inheritance, uint32_t place, Fd channel);

class Child;

// What a child does besides. All calls come from the loop.
class Role {
 public:
  virtual ~Role() = default;
  // Takes over from the one before, if any. `sockets` are the listening sockets by address, of this and other
  // configurations; they stay open as long as they are in there, and removed ones have to be let go in this
  // call.
  virtual void on_generation(std::shared_ptr<Generation> generation, const NamedFds& sockets) = 0;
  // What the operator should know of a configuration that was prepared, a line each.
  virtual std::vector<std::string> remarks(const config::Config& next) const = 0;
  // Take no new work, end what is under way within `time`, then call Child::finish(). `paced`: others serve
  // the same addresses, so there is no hurry to close what is idle.
  virtual void on_drain(Millis time, bool paced) = 0;
  // Cut off what is under way, then call Child::finish().
  virtual void on_stop() = 0;
  // Once a second, for figures that need not be newer.
  virtual void on_second() = 0;
  // The end of a reload, whoever asked for it.
  virtual void on_reload(const Outcome& outcome) = 0;
  // The answer to Child::ask().
  virtual void on_outcome(uint64_t request, const Outcome& outcome) = 0;
  // The one to ask(MessageType::ask_kept), if there is such a configuration.
  virtual void on_kept(uint64_t request, const Fd& sources) = 0;
};

class Child final : Channel::Listener {
 public:
  // Takes what it needs out of `inheritance`, this process's own copy.
  Child(Inheritance& inheritance, uint32_t place, Fd channel, ResidentMemory memory);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Builds the first generation and runs until finish(). The role must outlive the call.
  int run(Role& role);
  void finish() { workplace_.loop().stop(); }

  // Asks the master; the outcome comes to Role::on_outcome() with this number. REQUIRES: one of ask_….
  uint64_t ask(MessageType type, std::string text = {});
  // Has the master start a process for the command of a rollout's hook, with this end of its line.
  void ask_hook(const std::string& rollout, Fd line);

  uint32_t place() const { return place_; }
  uint32_t worker_count() const { return inheritance_.worker_count; }
  const std::string& seccomp() const { return inheritance_.seccomp; }
  // The old master of an upgrade, 0 for none, and what can be seen of it.
  pid_t predecessor() const { return inheritance_.predecessor; }
  const std::optional<shm::Segment>& predecessor_segment() const { return inheritance_.predecessor_segment; }
  const admin::Standing& standing() const { return inheritance_.standing; }
  Workplace& workplace() { return workplace_; }
  // This process's own, in shared memory.
  shm::ProcessSlot& slot() { return inheritance_.segment.layout().processes[place_]; }
  NamedFds& admin_sockets() { return inheritance_.admin_sockets; }
  // Lets go of the listening sockets, for good.
  void close_sockets() { inheritance_.sockets.clear(); }
  LogFiles& logs() { return logs_; }
  const ResidentMemory& memory() const { return memory_; }
  HeapTrim& heap() { return heap_; }

 private:
  void on_message(Message message) override;
  void on_channel_closed() override;

  void on_prepare(const Message& message);
  void on_kept(const Message& message);
  void on_commit(uint64_t number);
  void on_abort();
  void on_log_file(Message message);
  // The reasons as lines if it cannot be built. `remarks` gets what is worth knowing though it can.
  Result<std::shared_ptr<Generation>> build(std::shared_ptr<const Configuration> configuration, bool strict,
                                            std::string& remarks);
  void on_second();

  Inheritance& inheritance_;
  uint32_t place_;
  Workplace workplace_;
  LogFiles logs_;
  Channel channel_;
  event::Timer second_;
  ResidentMemory memory_;
  HeapTrim heap_{workplace_.pool(), memory_};
  Role* role_ = nullptr;
  std::shared_ptr<Generation> current_;
  std::shared_ptr<Generation> next_;
  NamedFds next_sockets_;
  NamedFds next_logs_;
  bool next_incomplete_ = false;  // some of these did not arrive
  uint32_t last_request_ = 0;
};

}  // namespace banyan::process
