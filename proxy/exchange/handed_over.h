// What is left of an exchange whose connection a handler has taken over: the client's place in the limits,
// the process's count, and its membership in the rollout that sent it here. Small, because there may be a
// hundred thousand of them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "exchange/follow.h"
#include "handler/handler.h"
#include "shm/in_flight.h"

namespace banyan::exchange {

class Front;

class HandedOver final : public handler::Tenure {
 public:
  // Which rollout may move it, and what to count then.
  struct Followed {
    std::string rollout;
    Follow::Member::Decided decided;
    uint32_t route = 0;
  };
  // `front` outlives it.
  HandedOver(Front& front, shm::InFlight::Ticket ticket, const std::optional<Followed>& followed);
  ~HandedOver() override;

  void listen_moved(Callback run) override;

 private:
  class Membership;

  Front& front_;
  shm::InFlight::Ticket ticket_;
  std::unique_ptr<Membership> membership_;  // null: no rollout can move it
};

}  // namespace banyan::exchange
