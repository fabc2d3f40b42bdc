#include "handlers/batch_fetch/delegator.h"

#include <algorithm>
#include <utility>

#include "base/json_text.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kLearnEvery = 16;
// A flight that takes so many medians, and at least this long, is stalled.
constexpr int kStalledMedians = 8;
constexpr Millis kStalledLeast{50};
constexpr Millis kHedgeStep{2};
constexpr double kMostHedges = 10;
constexpr double kSizesLearnt = 8;

}  // namespace

bool Delegator::Order::operator()(const Batch* a, const Batch* b) const {
  if (a->round_ != b->round_) return a->round_ < b->round_;
  if (a->deadline != b->deadline) return a->deadline < b->deadline;
  return a->serial_ < b->serial_;
}

Delegator::Delegator(event::Loop& loop, ObjectStore& store, ObjectCache* cache, BatchMeters& meters,
                     const Settings& settings)
    : loop_(loop),
      store_(store),
      cache_(cache),
      meters_(meters),
      settings_(settings),
      young_(wanted_.end()),
      throttle_(settings.slots),
      work_(loop, Callback::to<&Delegator::on_work>(this)),
      blocked_(loop, Callback::to<&Delegator::on_work>(this)),
      hedging_(loop, Callback::to<&Delegator::on_hedge>(this)),
      overdue_(loop, Callback::to<&Delegator::drop_overdue>(this)) {}

Delegator::~Delegator() = default;

// ---------------------------------------------------------------- batches

void Delegator::add(Batch& batch) {
  batch.active_ = true;
  batch.serial_ = ++serial_;
  batch.flights_.resize(batch.keys.size());
  if (cache_) {
    scans_.push_back(&batch);
  } else {
    batch.todo_.resize(batch.keys.size());
    for (size_t i = 0; i < batch.keys.size(); ++i) batch.todo_[i] = static_cast<uint32_t>(i);
    enqueue(batch);
  }
  work_.schedule();
}

void Delegator::enqueue(Batch& batch) {
  if (batch.queued_ || batch.paused_ || batch.next_ == batch.todo_.size()) return;
  if (!queue_.empty()) batch.round_ = std::max(batch.round_, (*queue_.begin())->round_);
  batch.queued_ = true;
  queue_.insert(&batch);
}

void Delegator::dequeue(Batch& batch) {
  if (std::exchange(batch.queued_, false)) queue_.erase(&batch);
}

// Its turn is over.
void Delegator::requeue(Batch& batch) {
  auto node = queue_.extract(&batch);
  ++batch.round_;
  queue_.insert(std::move(node));
}

void Delegator::remove(Batch& batch) {
  if (!std::exchange(batch.active_, false)) return;
  dequeue(batch);
  std::erase(scans_, &batch);
  for (Flight*& flight : batch.flights_) {
    if (!flight) continue;
    Flight& left = *std::exchange(flight, nullptr);
    std::erase_if(left.waiters, [&](const Flight::Waiter& waiter) { return waiter.batch == &batch; });
    if (left.payer == &batch) leave(left);
  }
  while (late_.size() > settings_.slots / 4) drop(late_, late_.begin());
  schedule_overdue();
  // Not at once: whoever removes is about to answer somebody, which comes first.
  work_.schedule_next_turn();
}

void Delegator::pause(Batch& batch) {
  if (!batch.active_) return;
  batch.paused_ = true;
  dequeue(batch);
  std::erase(scans_, &batch);
}

void Delegator::resume(Batch& batch) {
  if (!batch.active_ || !std::exchange(batch.paused_, false)) return;
  if (cache_ && batch.scanned_ < batch.keys.size()) scans_.push_back(&batch);
  enqueue(batch);
  work_.schedule();
}

// ---------------------------------------------------------------- slices of work

void Delegator::on_work() {
  const TimePoint until = loop_.fresh_now() + kSlice;
  const bool scanning = scan(until);
  const bool starting = start_some(until);
  if (scanning || starting) work_.schedule_next_turn();
}

bool Delegator::scan(TimePoint until) {
  while (!scans_.empty()) {
    Batch& batch = *scans_.front();
    scans_.splice(scans_.end(), scans_, scans_.begin());
    scan_some(batch);
    if (loop_.fresh_now() > until) break;
  }
  return !scans_.empty();
}

void Delegator::scan_some(Batch& batch) {
  const auto may_go_on = [&] {
    return batch.active_ && !batch.paused_ && batch.scanned_ < batch.keys.size();
  };
  for (size_t i = 0; i < kScan && may_go_on(); ++i) {
    const size_t index = batch.scanned_++;
    if (!serve_from_cache(batch, index, false)) batch.todo_.push_back(static_cast<uint32_t>(index));
  }
  if (!batch.active_) return;
  enqueue(batch);
  if (batch.scanned_ == batch.keys.size()) std::erase(scans_, &batch);
}

bool Delegator::serve_from_cache(Batch& batch, size_t index, bool again) {
  const ObjectCache::Found found = cache_->find(batch.keys[index], found_);
  meters_.note_look_up(found, again);
  if (found != ObjectCache::Found::fresh && found != ObjectCache::Found::stale) return false;
  if (found == ObjectCache::Found::stale) revalidate(batch.keys[index], found_.etag);
  ++batch.hits;  // before the answer may tell
  if (batch.on_piece(index, {.status = found_.status, .error = {}, .members = found_.members})) return true;
  --batch.hits;
  return false;
}

// True when there is more to do at once.
bool Delegator::start_some(TimePoint until) {
  if (queue_.empty() || !store_.ready()) return false;
  size_t skipped = 0;
  for (size_t started = 0; !queue_.empty() && skipped < std::min(queue_.size(), kSkips);) {
    if (wanted_.size() >= 2 * settings_.slots || wanted_.size() - note_stalled() >= throttle_.limit()) {
      if (!blocked_.running()) blocked_.start(kStalledLeast / 4);
      return false;
    }
    Batch& batch = **queue_.begin();
    if (too_late(batch)) {
      give_up(batch);
      continue;
    }
    const size_t free = settings_.slots - std::min(settings_.slots, wanted_.size());  // late ones give way
    if (batch.held_ >= std::max(kAlways, 2 * free) || !fits(batch)) {
      requeue(batch);
      ++skipped;
      continue;
    }
    skipped = 0;
    if (start_next(batch) && ++started % kStarts == 0 && loop_.fresh_now() > until) return true;
  }
  return false;
}

// Whether another object of the size that they have lately will find room beside those under way.
bool Delegator::fits(const Batch& batch) const {
  return batch.held_ == 0 ||
         static_cast<double>(batch.held_ + 1) * size_ <= static_cast<double>(batch.room());
}

// Whether what is begun now would come too late, as far as the last fetches tell. In the first half of its
// time a batch always tries: else a store that was slow once would never be asked again.
bool Delegator::too_late(const Batch& batch) const {
  const TimePoint now = loop_.now();
  if (batch.deadline <= now) return true;
  return p90_ && batch.deadline - now < std::min<Duration>(*p90_, (batch.deadline - batch.arrived) / 2);
}

void Delegator::give_up(Batch& batch) {
  dequeue(batch);
  while (batch.active_ && batch.next_ < batch.todo_.size()) {
    batch.on_piece(batch.todo_[batch.next_++], {.status = 0, .error = "timeout", .members = {}});
  }
}

// False when no flight had to be begun for the key.
bool Delegator::start_next(Batch& batch) {
  const size_t index = batch.todo_[batch.next_++];
  if (batch.next_ == batch.todo_.size()) {
    dequeue(batch);
  } else {
    requeue(batch);
  }
  if (!std::exchange(batch.began_, true)) {
    batch.queued = loop_.now() - batch.arrived;
    meters_.queue_time.observe(batch.queued);
  }
  const std::string& key = batch.keys[index];
  if (Flight* flight = find_flight(key)) {
    ++batch.joined;
    meters_.coalesced.add();
    join(*flight, batch, index);
    return false;
  }
  found_.etag.clear();
  // Another flight may have brought it since the scan, and what is outdated may still be the same.
  if (cache_ && serve_from_cache(batch, index, true)) return false;
  if (under_way() >= settings_.slots && !late_.empty()) drop(late_, late_.begin());
  Flight& flight = launch(key, found_.etag, wanted_);
  if (young_ == wanted_.end()) young_ = flight.place;
  join(flight, batch, index);
  flight.begin();
  return true;
}

// ---------------------------------------------------------------- flights

// The flight that brings this key already. One that was begun before the key was purged is left to those who
// asked before.
Flight* Delegator::find_flight(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  if (!cache_ || !cache_->shared().is_purged(key, found->second->began())) return found->second;
  by_key_.erase(found);
  return nullptr;
}

Flight& Delegator::launch(std::string key, std::string etag, Flights& where) {
  FlightKeeper& keeper = *this;
  where.push_back(
      std::make_unique<Flight>(loop_, store_, keeper, settings_.retries, std::move(key), std::move(etag)));
  Flight& flight = *where.back();
  flight.place = std::prev(where.end());
  if (settings_.coalesce) by_key_.emplace(flight.key(), &flight);
  if (settings_.hedge) {
    hedges_ = std::min(kMostHedges, hedges_ + settings_.hedge_budget);
    if (!hedging_.running()) hedging_.start(kHedgeStep);
  }
  meters_.fetches.add();
  return flight;
}

void Delegator::join(Flight& flight, Batch& batch, size_t index) {
  flight.waiters.push_back({&batch, index});
  batch.flights_[index] = &flight;
  if (flight.payer) return;
  flight.payer = &batch;
  ++batch.held_;
  if (flight.overdue == TimePoint()) return;
  // It was late, and somebody wants it again.
  flight.overdue = {};
  flight.stalled = true;
  ++stalled_;
  wanted_.splice(wanted_.begin(), late_, flight.place);
}

// A stale object was given out; what it is now will be known to the next who asks.
void Delegator::revalidate(const std::string& key, const std::string& etag) {
  if (by_key_.contains(key) || late_.size() >= settings_.slots / 4 || !store_.ready()) return;
  if (under_way() >= settings_.slots) return;
  Flight& flight = launch(key, etag, late_);
  flight.overdue = loop_.now() + kLate;
  flight.begin();
  schedule_overdue();
}

// Its payer is gone: the next who waits pays.
void Delegator::leave(Flight& flight) {
  --flight.payer->held_;
  if (flight.waiters.empty()) return make_late(flight);
  flight.payer = flight.waiters.front().batch;
  ++flight.payer->held_;
}

void Delegator::make_late(Flight& flight) {
  flight.payer = nullptr;
  flight.overdue = loop_.now() + kLate;
  if (flight.place == young_) ++young_;
  if (std::exchange(flight.stalled, false)) --stalled_;
  late_.splice(late_.end(), wanted_, flight.place);
}

void Delegator::drop(Flights& where, Flights::iterator place) {
  Flight& flight = **place;
  if (place == young_) ++young_;
  if (flight.stalled) --stalled_;
  if (auto found = by_key_.find(flight.key()); found != by_key_.end() && found->second == &flight) {
    by_key_.erase(found);
  }
  where.erase(place);
}

// How many of the flights are stalled.
size_t Delegator::note_stalled() {
  const Duration longest = std::max<Duration>(kStalledLeast, kStalledMedians * median_.value_or(0ms));
  for (; young_ != wanted_.end() && loop_.now() - (*young_)->began() > longest; ++young_) {
    if (!std::exchange((*young_)->stalled, true)) ++stalled_;
  }
  return stalled_;
}

void Delegator::on_landed(Flight& flight, Object object) {
  if (flight.hedged() && flight.second_won()) meters_.hedges_won.add();
  deliver(flight, object);
  drop(flight.payer ? wanted_ : late_, flight.place);
  if (!queue_.empty()) work_.schedule();
}

void Delegator::deliver(Flight& flight, const Object& object) {
  members_.clear();
  int status = object.status;
  std::string_view error = object.error;
  if (object.status == 304 && cache_->peek(flight.key(), found_)) {  // asked for only with a cache
    status = found_.status;
    members_ = found_.members;
    cache_->renew(flight.key(), found_, object.lifetime, flight.began());
  } else if (object.status == 304) {  // what is still the same was driven out meanwhile
    status = 0;
    error = "http_304";
  } else if (object.status != 0) {
    append_members(members_, object);
    if (cache_) cache_->store(flight.key(), object, members_, flight.began());
  }
  const bool whole = status == object.status;
  for (const Flight::Waiter& waiter : std::exchange(flight.waiters, {})) {
    waiter.batch->flights_[waiter.index] = nullptr;
    if (waiter.batch == flight.payer) --waiter.batch->held_;
    if (!waiter.batch->active_) continue;
    const Piece piece{
        .status = status, .error = error, .members = members_, .object = whole ? &object : nullptr};
    if (waiter.batch->on_piece(waiter.index, piece)) continue;
    waiter.batch->todo_.push_back(static_cast<uint32_t>(waiter.index));
    enqueue(*waiter.batch);
  }
}

bool Delegator::may_retry(const Flight& flight, Duration pause) {
  const TimePoint then = loop_.now() + pause + median_.value_or(Duration(1ms));
  const bool may = std::any_of(flight.waiters.begin(), flight.waiters.end(),
                               [&](const Flight::Waiter& waiter) { return then < waiter.batch->deadline; });
  if (may) meters_.retries.add();
  return may;
}

// Random, so that those who failed together do not come back together.
Duration Delegator::random_pause(uint32_t retries) {
  const auto longest = std::chrono::duration_cast<std::chrono::microseconds>(settings_.pause).count()
                       << std::min(retries, 10u);
  return std::chrono::microseconds(
      longest / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(longest / 2 + 1))));
}

void Delegator::note_answer(const Object& object, Duration taken) {
  const TimePoint now = loop_.now();
  if (object.answered != 0) heard_at_ = now;
  const bool overload = object.answered == 503 || object.answered == 429 || object.error == "connect";
  if (overload) return throttle_.note_overload(now);
  if (object.answered == 0) return;
  if (object.status == 200) size_ += (static_cast<double>(object.body.size()) - size_) / kSizesLearnt;
  meters_.store_time.observe(taken);
  latencies_.add(taken);
  throttle_.note_answer(taken, wanted_.size() - stalled_, now);
  if (until_learnt_-- > 0 && median_) return;
  until_learnt_ = kLearnEvery;
  median_ = latencies_.quantile(0.5);
  p90_ = latencies_.quantile(0.9);
  p95_ = latencies_.quantile(0.95);
}

Duration Delegator::silence() const {
  TimePoint since = loop_.now();
  for (const Flights* flights : {&wanted_, &late_}) {
    if (!flights->empty()) since = std::min(since, flights->front()->began());
  }
  return loop_.now() - std::max(since, heard_at_);
}

void Delegator::on_hedge() {
  const TimePoint now = loop_.now();
  for (auto& flight : wanted_) {
    if (hedges_ < 1 || !p95_ || now - flight->began() < *p95_) break;
    if (flight->hedged() || flight->stalled || flight->retries() > 0) continue;
    hedges_ -= 1;
    meters_.hedges.add();
    flight->hedge();
  }
  if (!wanted_.empty()) hedging_.start(kHedgeStep);
}

// ---------------------------------------------------------------- late flights

void Delegator::drop_overdue() {
  while (!late_.empty() && late_.front()->overdue <= loop_.now()) {
    latencies_.add(loop_.now() - late_.front()->began());  // at least so much
    drop(late_, late_.begin());
  }
  schedule_overdue();
  work_.schedule();
}

void Delegator::schedule_overdue() {
  if (late_.empty()) {
    overdue_.stop();
  } else {
    overdue_.start_at(late_.front()->overdue);
  }
}

}  // namespace banyan::handlers
