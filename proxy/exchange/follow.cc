#include "exchange/follow.h"

#include <algorithm>

#include "event/loop.h"
#include "rollout/decide.h"

namespace banyan::exchange {
namespace {

// How soon a changed percentage is noticed.
constexpr Millis kLook{100};
// What a busy loop was late by is caught up, but not more.
constexpr Duration kMostLate = Millis(100);

shm::Side side_at(uint32_t bucket, uint32_t percent) {
  return bucket < percent ? shm::Side::native : shm::Side::legacy;
}

uint64_t nanoseconds(TimePoint time) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

// Of one close by any of the workers, in nanoseconds; never shorter than the rate says. REQUIRES: a rate.
uint64_t slot_length(const config::Rate& rate) {
  const auto period =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(rate.period).count());
  return std::max<uint64_t>(1, (period + rate.count - 1) / rate.count);
}

// Whether another decision than the member's would be made today. A salt or sticky keys of another
// configuration give other buckets, of which we know nothing. One that health or fallback has put on the
// other side already is where it belongs.
bool has_moved(const Follow::Member::Decided& decided, uint64_t recipe, uint32_t percent) {
  if (recipe != decided.recipe) return false;
  const shm::Side wanted = side_at(decided.bucket, percent);
  return wanted != side_at(decided.bucket, decided.percent) && wanted != decided.side;
}

}  // namespace

Follow::Follow(event::Loop& loop, uint32_t worker, uint32_t workers)
    : loop_(loop),
      timer_(loop, Callback::to<&Follow::on_timer>(this)),
      worker_(worker),
      workers_(std::max(1u, workers)) {}

void Follow::switch_to(const route::TargetBook& targets) {
  targets_ = &targets;
  for (auto& [name, group] : groups_) group.sorted = false;
}

void Follow::add(Member& member, const std::string& rollout, const Member::Decided& decided) {
  member.decided_ = decided;
  Group& group = groups_[rollout];
  put(group.staying, member);
  // It may have been decided by a percentage that is not the one the others were sorted by.
  if (decided.percent != group.percent) group.sorted = false;
  if (!timer_.running()) timer_.start(kLook);
}

void Follow::remove(Member& member) {
  if (member.home_) take_out(member);
}

void Follow::put(std::vector<Member*>& home, Member& member) {
  member.home_ = &home;
  member.place_ = home.size();
  home.push_back(&member);
}

void Follow::take_out(Member& member) {
  std::vector<Member*>& home = *member.home_;
  home[member.place_] = home.back();
  home[member.place_]->place_ = member.place_;
  home.pop_back();
  member.home_ = nullptr;
}

void Follow::on_timer() {
  std::erase_if(groups_, [](const auto& entry) {
    return entry.second.staying.empty() && entry.second.leaving.empty();
  });
  if (groups_.empty()) return;
  const TimePoint now = loop_.now();
  TimePoint next = now + kLook;
  for (auto& [name, group] : groups_) next = std::min(next, look_after(name, group, now));
  timer_.start_at(next);
}

// Sorts and closes what is due; returns when the next close is.
TimePoint Follow::look_after(const std::string& name, Group& group, TimePoint now) {
  const route::Target* target = targets_->find_target("rollout." + name);
  if (!target || !target->rollout) return TimePoint::max();
  const rollout::Plan& plan = target->rollout->plan;
  const uint32_t percent = rollout::effective_percent(plan, target->rollout->state->read());
  if (!group.sorted || percent != group.percent) sort(group, *target->rollout, percent);
  if (group.leaving.empty() || plan.close_rate.count == 0) {
    group.slot = 0;
    return TimePoint::max();
  }
  const uint64_t length = slot_length(plan.close_rate);
  const uint64_t slot = nanoseconds(now) / length;
  const uint64_t late = static_cast<uint64_t>(std::chrono::nanoseconds(kMostLate).count()) / length;
  // Neither before this moment, nor for longer than a busy loop may be late, were slots left unused.
  group.slot = group.slot == 0
                   ? slot
                   : std::max(group.slot, slot - std::min(slot, std::max(late, uint64_t{workers_})));
  for (uint64_t count = own_slots(group.slot, slot); count > 0 && !group.leaving.empty(); --count) {
    Member& member = *group.leaving.back();
    // Sent back while native is down, it would only come to legacy again.
    if (member.decided_.side == shm::Side::legacy && !target->rollout->native.handler->available()) break;
    take_out(member);
    member.on_moved();
  }
  group.slot = slot;
  return TimePoint(std::chrono::nanoseconds(next_own_slot(slot) * length));
}

void Follow::sort(Group& group, const route::RolloutTarget& target, uint32_t percent) {
  std::vector<Member*> all = group.staying;
  all.insert(all.end(), group.leaving.begin(), group.leaving.end());
  group.staying.clear();
  group.leaving.clear();
  const uint64_t recipe = rollout::bucket_recipe(target.plan);
  for (Member* member : all) {
    put(has_moved(member->decided_, recipe, percent) ? group.leaving : group.staying, *member);
  }
  group.percent = percent;
  group.sorted = true;
}

// How many slots of this worker are in (after, until].
uint64_t Follow::own_slots(uint64_t after, uint64_t until) const {
  const uint64_t own = worker_ % workers_;
  const auto up_to = [&](uint64_t slot) { return (slot + workers_ - own) / workers_; };
  return up_to(until) - up_to(after);
}

uint64_t Follow::next_own_slot(uint64_t after) const {
  const uint64_t own = worker_ % workers_;
  const uint64_t next = after + 1;
  return next + (own + workers_ - next % workers_) % workers_;
}

}  // namespace banyan::exchange
