// The load itself: connections that send requests, in a closed loop (the next when the last is answered) or
// in an open one (at planned times, whatever the server does; who finds no free connection waits, and its
// latency counts from the planned time all the same: no coordinated omission).
#pragma once

#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "answers.h"
#include "requests.h"
#include "settings.h"
#include "wire.h"

namespace bench {

struct Report {
  size_t requests = 0, errors = 0, broken = 0, resumed = 0;
  double seconds = 0;
  std::vector<uint32_t> latencies;  // microseconds
};

class Load {
 public:
  explicit Load(const Settings& settings);

  // One request on each connection; they stay open.
  void open_all();
  // Warms up, calls `begin` when counting begins, and reports what was answered from then on.
  Report run(void (*begin)());

 private:
  struct Client {
    std::unique_ptr<Wire> wire;
    Answers answers;
    std::string_view to_send;
    size_t awaited = 0;   // answers
    int64_t planned = 0;  // of what is under way, microseconds
    bool handshake_counted = false;
  };

  void start_all(int64_t now);
  void connect(size_t number);
  void start(size_t number, int64_t planned);
  void start_in_turn(int64_t now);
  void on_event(size_t number);
  void write(Client& client);
  void read(size_t number);
  void on_answered(size_t number, int64_t now);
  void broke(size_t number);
  void look(int64_t until);
  void plan_until(int64_t now);

  const Settings& settings_;
  Requests requests_;
  std::unique_ptr<TlsClient> tls_;
  std::vector<Client> clients_;
  std::vector<size_t> free_;     // open loop: connections without a request
  std::deque<int64_t> waiting_;  // open loop: requests without a connection
  std::mt19937_64 random_{1};    // the same arrivals for everybody
  double next_arrival_ = 0;      // microseconds
  int64_t count_from_ = 0;
  int64_t plan_end_ = 0;
  bool opening_ = false;
  size_t turn_ = 0;        // closed loop with fewer under way than connections: who had the last
  size_t unanswered_ = 0;  // open loop: planned in the counted time, not answered
  Report report_;
  std::vector<char> space_;
  int epoll_;
};

}  // namespace bench
