// Reload in place, the master's part: reads and checks the new configuration, opens what it needs, and lets
// all children switch together or not at all (round.h).
//
//   master:  read · check · open sockets and logs ─▶ PREPARE ─▶ … READY ─▶ COMMIT ─▶ … COMMITTED ─▶ outcome
//                    any error ──────────────────────▶ outcome: refused, everything new is closed again
//
// Between the two phases the new configuration becomes the current one, so that whoever is started from then
// on begins with it. Keys that need a restart keep their old effect; a warning names them.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event/timer.h"
#include "process/change.h"
#include "process/channel.h"
#include "process/children.h"
#include "process/inheritance.h"
#include "process/outcome.h"
#include "process/round.h"

namespace banyan::process {

class Reload {
 public:
  static constexpr Duration kPrepareTime = std::chrono::seconds(30);
  static constexpr Duration kCommitTime = std::chrono::seconds(5);

  class Observer {
   public:
    // A reload begins to read; its end. Not inside a call to the reload, but cancel(). More lines may be
    // added to the outcome: those who asked get it afterwards.
    virtual void on_reload_begun() = 0;
    virtual void on_reload_done(Outcome& outcome, const Change& change) = 0;

   protected:
    ~Observer() = default;
  };
  // Told the outcome, once; not inside ask().
  using Answer = std::function<void(const Outcome&)>;

  // All must outlive this. `request` says where the configuration is.
  Reload(event::Loop& loop, Inheritance& inheritance, shm::Directory& directory, Children& children,
         config::SourceRequest request, Observer& observer);

  // Asks for a reload: of the files, which are read after this call, or (How::certificates) of certificates
  // and what belongs to them only; then the rest of the configuration stays as it was read, whatever stands
  // in its files by now. They run one after the other; those that want nothing to be confirmed share the next
  // one.
  void ask(Change change, Answer answer);
  // Asks for one that takes `sources`, and collects what they do not have (config::complete()).
  void ask_back(Change change, config::Sources sources, Answer answer);
  // Ends the one that is running and those asked for, refused for that reason; one that has come to COMMIT
  // goes on.
  void cancel(const std::string& reason);
  bool running() const { return candidate_.has_value(); }
  // That child is busy with it, and may be for long.
  bool occupies(uint32_t place) const { return candidate_ && candidate_->round.occupies(place); }

  // From the children.
  void on_message(uint32_t place, const Message& message);
  void on_death(uint32_t place);

 private:
  struct Candidate {
    std::shared_ptr<const Configuration> configuration;
    NamedFds sockets;  // new ones
    NamedFds logs;
    Fd memory;
    Round round;
    bool switched = false;
    std::vector<std::string> warnings;
  };

  struct Job {
    Change change;
    config::Sources sources;  // to go back to
    std::vector<Answer> answers;
  };

  void begin();
  config::Sources read_sources();
  config::Sources with_new_certificates() const;
  // The new configuration with everything it needs; else why not.
  std::optional<Candidate> read(std::vector<std::string>& reasons);
  Result<void> open_needed(Candidate& candidate);
  void ask_to_prepare(uint32_t place);
  // Acts on what the round has come to.
  void follow();
  void switch_over();
  void on_time_out();
  void refuse(std::vector<std::string> reasons);
  void end(Outcome outcome);
  void tell(Job& job, Outcome outcome);
  std::vector<uint32_t> participants() const;

  event::Loop& loop_;
  Inheritance& inheritance_;
  std::shared_ptr<const Configuration> started_with_;  // its keys that need a restart are those in effect
  shm::Directory& directory_;
  Children& children_;
  config::SourceRequest request_;
  Observer& observer_;
  uint32_t last_number_;
  std::optional<Candidate> candidate_;
  std::deque<Job> asked_;
  Job job_;  // that is running
  event::Deferred start_;
  event::Timer timer_;
};

}  // namespace banyan::process
