#include "process/round.h"

#include <algorithm>
#include <utility>

#include "process/outcome.h"

namespace banyan::process {

Round::Round(std::vector<uint32_t> places) {
  for (uint32_t place : places) participants_.push_back({place});
  advance();
}

std::vector<uint32_t> Round::take_to_ask() {
  std::vector<uint32_t> places;
  if (phase_ != Phase::preparing) return places;
  bool first_is_ready = participants_.front().answer == Answer::ready;
  for (size_t i = 0; i < (first_is_ready ? participants_.size() : 1); ++i) {
    if (participants_[i].answer != Answer::not_asked) continue;
    participants_[i].answer = Answer::asked;
    places.push_back(participants_[i].place);
  }
  return places;
}

std::vector<uint32_t> Round::missing() const {
  std::vector<uint32_t> places;
  Answer wanted = phase_ == Phase::committing ? Answer::committed : Answer::ready;
  for (const Participant& participant : participants_) {
    if (participant.answer != Answer::not_asked && participant.answer < wanted)
      places.push_back(participant.place);
  }
  return places;
}

bool Round::occupies(uint32_t place) const {
  const Participant* participant = find(place);
  if (!participant) return false;
  return phase_ == Phase::committing ? participant->answer != Answer::committed
                                     : participant->answer == Answer::preparing;
}

void Round::on_preparing(uint32_t place) {
  Participant* participant = find(place);
  if (participant && participant->answer == Answer::asked) participant->answer = Answer::preparing;
}

void Round::on_ready(uint32_t place) {
  Participant* participant = find(place);
  if (phase_ != Phase::preparing || !participant) return;
  if (participant->answer != Answer::asked && participant->answer != Answer::preparing) return;
  participant->answer = Answer::ready;
  advance();
}

void Round::on_refused(uint32_t place, const std::string& who, const std::string& reasons) {
  if (phase_ != Phase::preparing || !find(place)) return;
  phase_ = Phase::refused;
  for (std::string& reason : split_lines(reasons)) refuse(std::move(reason));
  if (reasons_.empty()) refuse(who + " refused it");
}

void Round::on_committed(uint32_t place) {
  Participant* participant = find(place);
  if (phase_ != Phase::committing || !participant) return;
  participant->answer = Answer::committed;
  advance();
}

void Round::on_death(uint32_t place, const std::string& who) {
  const Participant* participant = find(place);
  if (!participant) return;
  if (phase_ != Phase::preparing) return on_committed(place);
  const bool first = participant == &participants_.front();
  if (!first && participant->answer < Answer::preparing) {
    std::erase_if(participants_, [place](const Participant& each) { return each.place == place; });
    return advance();
  }
  refuse(who + " died while it prepared the configuration");
}

void Round::on_time_out(const std::vector<std::string>& reasons) {
  if (phase_ == Phase::preparing) {
    for (const std::string& reason : reasons) refuse(reason);
    if (reasons_.empty()) refuse("the processes did not prepare the configuration in time");
  } else if (phase_ == Phase::committing) {
    phase_ = Phase::applied;
  }
}

Round::Participant* Round::find(uint32_t place) {
  return const_cast<Participant*>(std::as_const(*this).find(place));
}

const Round::Participant* Round::find(uint32_t place) const {
  auto found = std::find_if(participants_.begin(), participants_.end(),
                            [place](const Participant& participant) { return participant.place == place; });
  return found == participants_.end() ? nullptr : &*found;
}

bool Round::all(Answer answer) const {
  return std::all_of(participants_.begin(), participants_.end(),
                     [answer](const Participant& participant) { return participant.answer == answer; });
}

void Round::refuse(std::string reason) {
  phase_ = Phase::refused;
  if (std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end())
    reasons_.push_back(std::move(reason));
}

void Round::advance() {
  if (phase_ == Phase::preparing && all(Answer::ready)) phase_ = Phase::committing;
  if (phase_ == Phase::committing && all(Answer::committed)) phase_ = Phase::applied;
}

}  // namespace banyan::process
