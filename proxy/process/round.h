// One reload among the children, as a table of who has said what; no process, no timer, so that every order
// of events can be tried out.
//
//   preparing ── all ready ─▶ committing ── all committed ─▶ applied
//       └─ one refused, died or was too slow ─▶ refused
//
// The first participant is asked alone (it is the controller): a configuration that crashes who builds it
// costs one process that serves no traffic. The others follow when it is ready.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banyan::process {

class Round {
 public:
  enum class Phase { preparing, committing, applied, refused };

  // Places of the children that take part, the controller's first. A round of nobody is applied at once.
  explicit Round(std::vector<uint32_t> places);

  Phase phase() const { return phase_; }
  // Whom to ask (once each): grows when the first is ready.
  std::vector<uint32_t> take_to_ask();
  // Why it was refused: whole lines without newline, each once.
  const std::vector<std::string>& reasons() const { return reasons_; }
  // Who was asked in this phase and has not answered.
  std::vector<uint32_t> missing() const;
  // It is one of these and has begun with what it was asked for.
  bool occupies(uint32_t place) const;

  void on_preparing(uint32_t place);
  void on_ready(uint32_t place);
  // `reasons`: lines. `who`: for a message when there are none.
  void on_refused(uint32_t place, const std::string& who, const std::string& reasons);
  void on_committed(uint32_t place);
  // Of who prepares or has prepared that refuses the configuration: it may be what killed the child. So does
  // the first one's, whom the others wait for. Who had not begun takes no part any more, and later it counts
  // as committed: its successor begins with the configuration that is in effect then.
  void on_death(uint32_t place, const std::string& who);
  // The time for this phase is over. While preparing that refuses the configuration, for these reasons. While
  // committing the missing ones are given up: end them, their successors begin with the new configuration.
  void on_time_out(const std::vector<std::string>& reasons);

 private:
  enum class Answer { not_asked, asked, preparing, ready, committed };
  struct Participant {
    uint32_t place;
    Answer answer = Answer::not_asked;
  };

  const Participant* find(uint32_t place) const;
  Participant* find(uint32_t place);
  bool all(Answer answer) const;
  void refuse(std::string reason);
  void advance();

  std::vector<Participant> participants_;
  std::vector<std::string> reasons_;
  Phase phase_ = Phase::preparing;
};

}  // namespace banyan::process
