#include "exchange/handed_over.h"

#include "exchange/front.h"

namespace banyan::exchange {

class HandedOver::Membership final : private Follow::Member {
 public:
  Membership(Front& front, const Followed& followed)
      : front_(front), route_(followed.route), side_(followed.decided.side) {
    front_.follow_.add(*this, followed.rollout, followed.decided);
  }
  ~Membership() { front_.follow_.remove(*this); }

  Callback moved;

 private:
  void on_moved() override {
    front_.here_.counters.counter(shm::Metric::connections_moved, route_, side_).add();
    if (moved) moved();
  }

  Front& front_;
  uint32_t route_;
  shm::Side side_;
};

HandedOver::HandedOver(Front& front, shm::InFlight::Ticket ticket, const std::optional<Followed>& followed)
    : front_(front), ticket_(std::move(ticket)) {
  if (followed) membership_ = std::make_unique<Membership>(front_, *followed);
  front_.count_handed_over(1);
}

HandedOver::~HandedOver() { front_.count_handed_over(-1); }

void HandedOver::listen_moved(Callback run) {
  if (membership_) membership_->moved = run;
}

}  // namespace banyan::exchange
