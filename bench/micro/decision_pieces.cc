#include "exchange/access_line.h"
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

// Its line in the access log, in JSON, as a browser's request makes it.
std::function<void()> log_request() {
  struct State {
    House house{1, 1};
    http::RequestHead head;
    handler::Client client{.ip = "192.0.2.17"};
    handler::Notes notes;
    route::Decision decision;
    exchange::AccessFacts facts;
    std::string line;
  };
  auto state = std::make_shared<State>();
  http::RequestHead& head = state->head;
  head.method_text = "GET";
  head.target = "/path/0?sort=price&page=2";
  head.host = "api.example.org";
  head.path = "/path/0";
  head.fields.add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
  head.fields.add("Referer", "https://www.example.org/shop/shoes?size=44");
  constexpr std::array<uint8_t, 4> kPeer = {192, 0, 2, 17};
  state->decision =
      route::decide(*state->house.router, state->house, nullptr, {head, state->client, kPeer, 1});
  exchange::AccessFacts& facts = state->facts;
  facts.request = &head;
  facts.decision = &state->decision;
  facts.notes = &state->notes;
  facts.remote_addr = state->client.ip;
  facts.request_id = "0f3c5b7d9a1e4c6f8b2d4e6a8c0f1e3d";
  facts.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  facts.time_iso8601 = "2026-11-21T21:30:00+00:00";
  facts.status = 200;
  facts.body_bytes_sent = 1024;
  facts.request_length = 412;
  facts.request_time = 1234us;
  return [state] {
    state->line.clear();
    exchange::append_access_line(state->facts, config::AccessLog::Format::json, state->line);
    keep(state->line.size());
  };
}

}  // namespace

std::vector<Piece> decision_pieces() {
  return {{"decide", decide_side},
          {"route", route_request},
          {"histogram", observe},
          {"access_line", log_request}};
}

}  // namespace banyan::bench
