// A client for HTTP/1.1 over libcurl: for handlers that ask other services (batch_fetch), for probes, and for
// banyanctl. Whole messages, not streams; forwarding has its own way (upstream/).
//
//   start() ─▶ curl's multi interface on our loop ─▶ on_fetched()
//                 ├─ deadline passed ─▶ on_fetched(timeout), the transfer ends or goes on unheard
//                 (late_limit) └─ handle destroyed ─▶ the transfer ends, its connection is closed
//
// Nothing of curl exists before the first start(), which is not cheap (TLS library, certificates): idle
// workers pay nothing. No proxy, redirect, netrc or cookie of curl's is used, and the path is sent as it
// stands in the URL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace banyan::event {
class Loop;
}

namespace banyan::net {

struct FetchField {
  std::string name;
  std::string value;
  bool operator==(const FetchField&) const = default;
};

struct FetchRequest {
  // http:// or https://. A literal address needs no look-up; names go to curl's resolver threads.
  std::string url = {};
  std::string method = "GET";
  std::vector<FetchField> fields = {};  // Host, Content-Length and User-Agent are made if they are not here
  std::string body = {};
  std::string unix_socket = {};  // path; then the URL's host is only the Host field

  TimePoint deadline = TimePoint::max();  // of the loop's clock; for fetch_now() its own parameter counts
  // A transfer that is cut off costs its connection, and many new connections at once are what a slow server
  // can stand least. So after the deadline it may go on for this long, its answer thrown away, to give the
  // connection back.
  Millis late_limit = Millis(0);

  size_t max_body = 64 * 1024 * 1024;  // bytes of the answer's body
  bool verify = true;                  // of https: the chain and the name
  std::string authorities = {};        // PEM; empty: the system's
  std::string revocations = {};        // PEM, only with authorities; empty: none are looked at
  std::string certificate = {};        // our own and its chain, PEM; empty: none
  std::string key = {};                // of it
  // "host:port" to connect to in the place of the URL's, whose host then is only the name for SNI, for the
  // check of the certificate and for Host.
  std::string connect_to = {};
  // A socket that is connected already, to be used instead of a connection of curl's and then not kept; -1:
  // none. It stays the caller's, who leaves it open and alone until the answer is there.
  int socket = -1;
  uint64_t tag = 0;  // the caller's own; see Fetch::tag()
};

struct FetchResponse {
  int status = 0;
  std::vector<FetchField> fields;  // of the final response, in order, as received; no trailers
  std::string body;

  // The first field of that name in any case; empty when there is none.
  std::string_view find(std::string_view name) const;
};

// When things were done, since start(). Zero: did not happen.
struct FetchTiming {
  Duration connected{};   // with TLS, if any; zero when a kept connection was used
  Duration first_byte{};  // of the answer
  Duration total{};
  bool reused = false;  // a kept connection
};

// A fetch under way. Destroying it ends the transfer, and nobody is told.
class Fetch {
 public:
  virtual ~Fetch() = default;
  virtual uint64_t tag() const = 0;
  // Complete when the listener is told.
  virtual const FetchTiming& timing() const = 0;
};

class Fetcher {
 public:
  class Listener {
   public:
    // The answer with any status, or an Error: types and status of RFC 9209 (connection_refused 502,
    // http_response_timeout 504, http_response_body_size 502, …), nothing_sent if no byte of the request was.
    // Comes from the loop, never inside start(), once for each fetch. May destroy the handle and start
    // others.
    virtual void on_fetched(Fetch& fetch, Result<FetchResponse> result) = 0;

   protected:
    ~Listener() = default;
  };

  struct Options {
    uint32_t connections = 256;           // open ones; further fetches wait for one of them
    uint32_t connections_per_server = 0;  // 0: only the limit above
    Millis idle = Millis(60'000);         // kept connections that were unused for longer are closed, not used
  };

  // The loop must outlive the fetcher, which must outlive its fetches.
  Fetcher(event::Loop& loop, Options options);
  explicit Fetcher(event::Loop& loop);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // A request that cannot be sent (a URL of another kind, a field with a line break) gives its error to the
  // listener like every other failure.
  [[nodiscard]] std::unique_ptr<Fetch> start(FetchRequest request, Listener& listener);
  // Nobody wants the answer any more, but the connection is worth keeping: the transfer may go on for
  // `limit`.
  void detach(std::unique_ptr<Fetch> fetch, Millis limit);
  // Transfers under way, unheard ones too.
  size_t running() const;

 private:
  class Engine;
  class Transfer;
  class Handle;
  Engine& engine();

  event::Loop& loop_;
  Options options_;
  std::unique_ptr<Engine> engine_;
};

// The same, waiting for the answer: for programs without a loop.
Result<FetchResponse> fetch_now(const FetchRequest& request, Millis timeout);

}  // namespace banyan::net
