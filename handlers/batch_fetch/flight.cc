#include "handlers/batch_fetch/flight.h"

#include <algorithm>
#include <utility>

#include "event/loop.h"

namespace banyan::handlers {

Flight::Flight(event::Loop& loop, ObjectStore& store, FlightKeeper& keeper, uint32_t retries, std::string key,
               std::string etag)
    : loop_(loop),
      store_(store),
      keeper_(keeper),
      key_(std::move(key)),
      etag_(std::move(etag)),
      pause_(loop, Callback::to<&Flight::on_pause>(this)),
      retries_(retries) {}

void Flight::begin() {
  began_ = loop_.now();
  first_ = ask(false);
}

void Flight::hedge() { second_ = ask(false); }

std::unique_ptr<StoreGet> Flight::ask(bool fresh) {
  return store_.get({.key = key_, .etag = etag_, .endpoint = endpoint_, .fresh = fresh}, *this);
}

void Flight::on_pause() { first_ = ask(false); }

// Never more than a few times, so that a store cannot send us in circles.
bool Flight::again_at_once(const Object& object) {
  if (object.unsent && stale_ < 2) return ++stale_;
  if (!object.region.empty() && !relocated_) {
    relocated_ = true;
    const bool learnt = store_.learn_region(object.region);
    // Another flight may have learnt it while this one was under way.
    if (learnt || object.answered == 400 || object.answered == 403) return true;
  }
  if (redirected_ || object.answered < 300 || object.answered > 308) return false;
  redirected_ = true;
  endpoint_ = store_.redirect_of(object);
  return !endpoint_.empty();
}

void Flight::on_object(StoreGet& get, Object object) {
  keeper_.note_answer(object, loop_.now() - get.began());
  std::unique_ptr<StoreGet>& mine = &get == second_.get() ? second_ : first_;
  std::unique_ptr<StoreGet>& other = &get == second_.get() ? first_ : second_;
  if (again_at_once(object)) {
    mine = ask(object.unsent);
    return;
  }
  if (object.status == 0 && other) {  // the other one may still succeed
    mine.reset();
    if (!first_) std::swap(first_, second_);
    return;
  }
  if (object.transient && retries_done_ < retries_) {
    const Duration pause =
        std::max(keeper_.random_pause(retries_done_), object.retry_after.value_or(Duration(0)));
    if (keeper_.may_retry(*this, pause)) {
      ++retries_done_;
      first_.reset();
      pause_.start(pause);
      return;
    }
  }
  second_won_ = &get == second_.get();
  keeper_.on_landed(*this, std::move(object));
}

}  // namespace banyan::handlers
