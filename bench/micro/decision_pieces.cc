#include "micro/house.h"
#include "micro/piece.h"
#include "shm/counters.h"
#include "shm/processes.h"
#include "shm/rollout_statistics.h"

namespace banyan::bench {
namespace {

using namespace std::chrono_literals;

std::function<void()> decide_side() {
  auto house = std::make_shared<House>(1, 1);
  return [house, keys = Cookie()] { keep(decide(*house->rollouts[0], keys, 1).bucket); };
}

// Route, rollout and side among a thousand rollouts and ten thousand routes.
std::function<void()> route_request() {
  struct State {
    House house{1000, 10'000};
    http::RequestHead head;
    handler::Client client{.ip = "192.0.2.17"};
  };
  auto state = std::make_shared<State>();
  state->head.host = "api.example.org";
  state->head.path = "/path/4711";
  state->head.fields.add("Cookie", "theme=dark; uid=4711081511");
  return [state] {
    constexpr std::array<uint8_t, 4> kPeer = {192, 0, 2, 17};
    keep(route::decide(*state->house.router, state->house, nullptr, {state->head, state->client, kPeer, 1})
             .endpoint);
  };
}

// A finished request: the metric's histogram and the gate's.
std::function<void()> observe() {
  struct State {
    shm::Segment segment = shm::Segment::create().value();
    shm::Counters counters{segment, shm::worker_slot(0)};
    shm::RolloutStatistics statistics{segment, shm::worker_slot(0)};
    shm::Histogram histogram = counters.histogram(shm::Metric::http_request_duration, 1, shm::Side::native);
    Duration duration = 1ms;
  };
  auto state = std::make_shared<State>();
  return [state] {
    state->histogram.observe(state->duration);
    state->statistics.count(1, shm::Side::native, shm::Ending::answered, state->duration);
    state->duration += 997ns;
  };
}

}  // namespace

std::vector<Piece> decision_pieces() {
  return {{"decide", decide_side}, {"route", route_request}, {"histogram", observe}};
}

}  // namespace banyan::bench
