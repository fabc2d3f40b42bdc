#include "exchange/farewells.h"

#include <algorithm>

#include "event/loop.h"

namespace banyan::exchange {
namespace {

// For so long a process that stops may still be given connections: who came back would have come in vain.
constexpr Duration kDoors = Millis(300);
// As much time each of them gets, if there is so much: servers that have to take them up again are often
// older than we are.
constexpr Duration kEach = Millis(100);

}  // namespace

Farewells::Farewells(event::Loop& loop)
    : loop_(loop), timer_(loop, Callback::to<&Farewells::on_timer>(this)) {}

void Farewells::add(Member& member, bool told) {
  Line& line = told ? told_ : untold_;
  if (line.members.empty()) line.next = std::max(line.next, loop_.now());
  member.home_ = &line.members;
  member.place_ = line.members.size();
  line.members.push_back(&member);
  if (begun_) wait();
}

void Farewells::remove(Member& member) {
  if (!member.home_) return;
  std::vector<Member*>& home = *member.home_;
  home[member.place_] = home.back();
  home[member.place_]->place_ = member.place_;
  home.pop_back();
  member.home_ = nullptr;
}

void Farewells::begin(Duration time) {
  begun_ = true;
  const TimePoint now = loop_.now();
  told_.next = now + std::min<Duration>(kDoors, time / 8);
  told_.until = std::min(now + time / 4 * 3, told_.next + kEach * static_cast<int64_t>(told_.members.size()));
  untold_.next = now + time / 2;
  untold_.until = now + time / 10 * 9;
  wait();
}

void Farewells::wait() {
  TimePoint next = TimePoint::max();
  for (const Line* line : {&told_, &untold_}) {
    if (!line->members.empty()) next = std::min(next, line->next);
  }
  if (next != TimePoint::max()) timer_.start_at(next);
}

void Farewells::on_timer() {
  const TimePoint now = loop_.now();
  call_some(told_, now);
  call_some(untold_, now);
  wait();
}

// Those that are left share the time that is left.
void Farewells::call_some(Line& line, TimePoint now) {
  while (!line.members.empty() && line.next <= now) {
    const auto left = static_cast<int64_t>(line.members.size());
    line.next += std::max<Duration>((line.until - line.next) / left, Duration(0));
    Member& member = *line.members.back();
    remove(member);
    member.on_farewell();
  }
}

}  // namespace banyan::exchange
