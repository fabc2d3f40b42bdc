#include "handlers/batch_fetch_delegator.h"

#include <algorithm>
#include <utility>

namespace banyan::handlers {

class Delegator::Transfer final : public net::Fetcher::Listener {
 public:
  Transfer(Delegator& delegator, Batch& batch, size_t index)
      : batch(&batch),
        fetch_(delegator.store_.fetch(batch.keys[index], *this)),
        index_(index),
        delegator_(delegator) {}

  void on_fetched(net::Fetch&, Result<net::FetchResponse> answer) override {
    delegator_.on_fetched(*this, read_object(std::move(answer)));
  }
  size_t index() const { return index_; }

  Batch* batch;               // null when late
  TimePoint overdue{};        // when late
  Transfers::iterator place;  // in wanted_ or late_

 private:
  std::unique_ptr<net::Fetch> fetch_;
  size_t index_;
  Delegator& delegator_;
};

Delegator::Delegator(event::Loop& loop, ObjectStore& store, size_t slots)
    : loop_(loop),
      store_(store),
      slots_(slots),
      more_(loop, Callback::to<&Delegator::give_out>(this)),
      overdue_(loop, Callback::to<&Delegator::drop_overdue>(this)) {}

Delegator::~Delegator() = default;

void Delegator::add(Batch& batch) {
  if (batch.keys.empty()) return;
  batch.waits_ = true;
  batch.place_ = ring_.insert(ring_.end(), &batch);
  give_out();
}

void Delegator::remove(Batch& batch) {
  leave_ring(batch);
  if (batch.held_ == 0) return;
  batch.held_ = 0;
  for (auto next = wanted_.begin(); next != wanted_.end();) {
    auto transfer = next++;
    if ((*transfer)->batch != &batch) continue;
    (*transfer)->batch = nullptr;
    (*transfer)->overdue = loop_.now() + kLate;
    late_.splice(late_.end(), wanted_, transfer);
  }
  while (late_.size() > slots_ / 4) late_.pop_front();
  schedule_overdue();
  // Not at once: whoever removes is about to answer somebody, which comes first.
  if (!ring_.empty() && !more_.running()) more_.start(Millis(0));
}

void Delegator::leave_ring(Batch& batch) {
  if (std::exchange(batch.waits_, false)) ring_.erase(batch.place_);
}

void Delegator::give_out() {
  size_t refused = 0;  // batches in a row that hold their share already
  for (size_t started = 0; !ring_.empty() && refused < ring_.size();) {
    if (wanted_.size() >= 2 * slots_) return;
    Batch& batch = *ring_.front();
    const size_t free = slots_ - std::min(slots_, wanted_.size());  // late fetches give way
    if (batch.held_ >= std::max(kAlways, 2 * free)) {
      ring_.splice(ring_.end(), ring_, ring_.begin());
      ++refused;
      continue;
    }
    if (++started > kStartsPerTurn) return more_.start(Millis(0));
    if (under_way() >= slots_ && !late_.empty()) late_.pop_front();
    refused = 0;
    ring_.splice(ring_.end(), ring_, ring_.begin());
    start(batch);
  }
}

void Delegator::start(Batch& batch) {
  const size_t index = batch.next_++;
  ++batch.held_;
  if (batch.next_ == batch.keys.size()) leave_ring(batch);
  auto place = wanted_.insert(wanted_.end(), std::make_unique<Transfer>(*this, batch, index));
  (*place)->place = place;
}

void Delegator::on_fetched(Transfer& transfer, Object object) {
  Batch* batch = transfer.batch;
  const size_t index = transfer.index();
  (batch ? wanted_ : late_).erase(transfer.place);
  if (batch) {
    --batch->held_;
    batch->on_object(index, std::move(object));
  }
  give_out();
}

void Delegator::drop_overdue() {
  while (!late_.empty() && late_.front()->overdue <= loop_.now()) late_.pop_front();
  schedule_overdue();
  give_out();
}

void Delegator::schedule_overdue() {
  if (late_.empty()) {
    overdue_.stop();
  } else {
    overdue_.start_at(late_.front()->overdue);
  }
}

}  // namespace banyan::handlers
