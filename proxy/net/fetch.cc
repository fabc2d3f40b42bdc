#include "net/fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "event/deferred.h"
#include "event/io.h"
#include "event/loop.h"
#include "net/fetch_message.h"

namespace banyan::net {
namespace {

using Micros = std::chrono::microseconds;

constexpr size_t kMostReserved = 1024 * 1024;  // on the word of a Content-Length

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using List = std::unique_ptr<curl_slist, FreeList>;

// Once in a process; curl of Debian 12 does it safely from any thread.
void init_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

void append(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  CHECK(longer != nullptr);
  (void)list.release();
  list.reset(longer);
}

// One message each way on one easy handle, the same for both ways of waiting. Stays where it is while curl
// uses it.
class Exchange {
 public:
  Exchange(CURL* easy, FetchRequest request);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  CURL* easy() const { return easy_; }
  const FetchRequest& request() const { return request_; }
  Result<FetchResponse> take_result(CURLcode code);
  // Keep nothing of what still comes.
  void discard();
  // Of an exchange that is given up.
  Error timeout() const;
  FetchTiming timing() const;

 private:
  void set_common();
  void set_method();
  void set_fields();
  void set_tls();
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }
  curl_off_t ask(CURLINFO what) const;
  Error error(int status, std::string_view type, bool nothing_sent, std::string_view why) const;
  Error error_of(CURLcode code) const;
  static size_t on_header(char* data, size_t, size_t size, void* self);
  static size_t on_body(char* data, size_t, size_t size, void* self);

  CURL* easy_;
  FetchRequest request_;
  FetchResponse response_;
  HeadReader head_reader_{response_};
  List fields_;
  bool body_began_ = false;
  bool discarding_ = false;
  bool head_too_long_ = false;
  bool body_too_long_ = false;
  char error_text_[CURL_ERROR_SIZE] = "";
};

Exchange::Exchange(CURL* easy, FetchRequest request) : easy_(easy), request_(std::move(request)) {
  set_common();
  set_method();
  set_fields();
  set_tls();
}

void Exchange::set_common() {
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_ERRORBUFFER, error_text_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");  // not even the environment's
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, "banyan");
  set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(CURLOPT_WRITEDATA, this);
  if (!request_.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
}

// curl derives framing and what it expects of the answer from the options, the word on the wire from
// CUSTOMREQUEST.
void Exchange::set_method() {
  bool has_body = !request_.body.empty() || request_.method == "POST" || request_.method == "PUT";
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    set(CURLOPT_POSTFIELDS, request_.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  // When a kept connection turns out to be closed, curl sends the request again: not for these (RFC 9110
  // section 9.2.2).
  if (request_.method == "POST" || request_.method == "PATCH") set(CURLOPT_FRESH_CONNECT, 1L);
}

void Exchange::set_fields() {
  append(fields_, "Expect:");        // no waiting for 100 Continue
  append(fields_, "Content-Type:");  // none of curl's own choice for a body
  for (const FetchField& field : request_.fields) {
    append(fields_, field.value.empty() ? field.name + ";" : field.name + ": " + field.value);
  }
  set(CURLOPT_HTTPHEADER, fields_.get());
}

void Exchange::set_tls() {
  set(CURLOPT_SSL_VERIFYPEER, request_.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, request_.verify ? 2L : 0L);
  if (request_.authorities.empty()) return;
  curl_blob blob{request_.authorities.data(), request_.authorities.size(), CURL_BLOB_NOCOPY};
  set(CURLOPT_CAINFO_BLOB, &blob);
}

size_t Exchange::on_header(char* data, size_t, size_t size, void* self) {
  Exchange& exchange = *static_cast<Exchange*>(self);
  if (exchange.body_began_) return size;  // trailers
  if (exchange.head_reader_.take_line({data, size})) return size;
  exchange.head_too_long_ = true;
  return 0;
}

size_t Exchange::on_body(char* data, size_t, size_t size, void* self) {
  Exchange& exchange = *static_cast<Exchange*>(self);
  std::string& body = exchange.response_.body;
  if (exchange.discarding_) return size;
  if (!std::exchange(exchange.body_began_, true)) {
    curl_off_t announced = std::max<curl_off_t>(exchange.ask(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T), 0);
    body.reserve(std::min({static_cast<size_t>(announced), exchange.request_.max_body, kMostReserved}));
  }
  if (size > exchange.request_.max_body - body.size()) {
    exchange.body_too_long_ = true;
    return 0;
  }
  body.append(data, size);
  return size;
}

void Exchange::discard() {
  discarding_ = true;
  response_.body = std::string();
}

Result<FetchResponse> Exchange::take_result(CURLcode code) {
  if (code != CURLE_OK) return error_of(code);
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  return std::move(response_);
}

Error Exchange::error(int status, std::string_view type, bool nothing_sent, std::string_view why) const {
  Error error = upstream_error(status, type, fmt::format("fetch {}: {}", display_url(request_.url), why));
  error.nothing_sent = nothing_sent;
  return error;
}

Error Exchange::error_of(CURLcode code) const {
  std::string_view why = error_text_[0] ? error_text_ : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(502, "dns_error", true, why);
    case CURLE_COULDNT_CONNECT:
      return error(502, "connection_refused", true, why);
    case CURLE_PEER_FAILED_VERIFICATION:
      return error(502, "tls_certificate_error", true, why);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      return error(502, "tls_protocol_error", true, why);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return error(502, "connection_terminated", false, why);
    case CURLE_PARTIAL_FILE:
      return error(502, "http_response_incomplete", false, why);
    case CURLE_OPERATION_TIMEDOUT:
      return timeout();
    case CURLE_WRITE_ERROR:
      if (body_too_long_) {
        return error(502, "http_response_body_size", false,
                     fmt::format("the body is longer than {} bytes", request_.max_body));
      }
      if (head_too_long_)
        return error(502, "http_response_header_section_size", false, "the head is too long");
      break;
    default:
      break;
  }
  return error(502, "http_protocol_error", false, why);
}

Error Exchange::timeout() const {
  if (ask(CURLINFO_PRETRANSFER_TIME_T) == 0)
    return error(504, "connection_timeout", true, "no connection in time");
  return error(504, "http_response_timeout", false, "no answer in time");
}

curl_off_t Exchange::ask(CURLINFO what) const {
  curl_off_t value = 0;
  curl_easy_getinfo(easy_, what, &value);
  return value;
}

FetchTiming Exchange::timing() const {
  long connects = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &connects);
  FetchTiming timing;
  timing.reused = connects == 0 && ask(CURLINFO_PRETRANSFER_TIME_T) > 0;
  if (!timing.reused) {
    timing.connected = Micros(std::max(ask(CURLINFO_CONNECT_TIME_T), ask(CURLINFO_APPCONNECT_TIME_T)));
  }
  timing.first_byte = Micros(ask(CURLINFO_STARTTRANSFER_TIME_T));
  return timing;
}

}  // namespace

// ---------------------------------------------------------------- on the loop

// What the caller holds; the transfer behind it may end earlier (answer, deadline) or later (detached).
class Fetcher::Handle final : public Fetch {
 public:
  Handle(event::Loop& loop, Listener& listener, uint64_t tag)
      : loop_(loop), listener_(listener), tag_(tag), notice_(loop, Callback::to<&Handle::tell>(this)) {}
  ~Handle() override;

  uint64_t tag() const override { return tag_; }
  const FetchTiming& timing() const override { return timing_; }

  void finish(Result<FetchResponse> result, FetchTiming timing) {
    result_.emplace(std::move(result));
    timing_ = timing;
    timing_.total = loop_.fresh_now() - started_;
    transfer_ = nullptr;
    notice_.schedule();
  }

  Transfer* transfer_ = nullptr;  // null when it has ended for us

 private:
  void tell() { listener_.on_fetched(*this, std::move(*result_)); }

  event::Loop& loop_;
  Listener& listener_;
  uint64_t tag_;
  TimePoint started_ = loop_.fresh_now();
  FetchTiming timing_;
  std::optional<Result<FetchResponse>> result_;
  event::Deferred notice_;
};

class Fetcher::Transfer {
 public:
  Transfer(Engine& engine, event::Loop& loop, Easy easy, FetchRequest request, Handle* handle)
      : engine_(engine),
        easy_(std::move(easy)),
        exchange_(easy_.get(), std::move(request)),
        handle_(handle),
        deadline_(loop, Callback::to<&Transfer::on_deadline>(this)) {
    curl_easy_setopt(easy_.get(), CURLOPT_PRIVATE, this);
    if (exchange_.request().deadline != TimePoint::max()) deadline_.start_at(exchange_.request().deadline);
  }

  void go_on_unheard(Millis limit) {
    handle_ = nullptr;
    exchange_.discard();
    deadline_.start(limit);
  }
  void on_done(CURLcode code) {
    if (handle_) handle_->finish(exchange_.take_result(code), exchange_.timing());
  }
  void end();
  Exchange& exchange() { return exchange_; }
  Easy take_easy() { return std::move(easy_); }

 private:
  void on_deadline();

  Engine& engine_;
  Easy easy_;
  Exchange exchange_;
  Handle* handle_;
  event::Timer deadline_;
};

// The multi handle and what it needs of the loop: one timer, and watches for its sockets.
class Fetcher::Engine {
 public:
  Engine(event::Loop& loop, const Options& options);
  ~Engine();

  Transfer* start(FetchRequest request, Handle* handle);
  // Ends a transfer, done or not; one that is not loses its connection.
  void end(Transfer* transfer);
  size_t running() const { return transfers_.size(); }

 private:
  class Watch;
  static int on_socket_change(CURL*, curl_socket_t fd, int what, void* self, void* watch);
  static int on_timer_change(CURLM*, long timeout_ms, void* self);
  void change_watch(curl_socket_t fd, int what, Watch* watch);
  void on_time() { act(CURL_SOCKET_TIMEOUT, 0); }
  void act(curl_socket_t fd, int ready);
  Easy take_easy();

  static constexpr size_t kSpares = 64;

  event::Loop& loop_;
  Options options_;
  CURLM* multi_;
  event::Timer timer_;
  event::Deferred at_once_;
  std::vector<Easy> spares_;
  std::unordered_map<Transfer*, std::unique_ptr<Transfer>> transfers_;
  std::unordered_map<curl_socket_t, std::unique_ptr<Watch>> watches_;
};

class Fetcher::Engine::Watch final : public event::Disposable {
 public:
  Watch(Engine& engine, event::Loop& loop, curl_socket_t fd)
      : engine_(engine),
        fd_(fd),
        read_(loop, fd, event::IoWatch::Interest::read, Callback::to<&Watch::readable>(this),
              event::IoWatch::Trigger::level),
        write_(loop, fd, event::IoWatch::Interest::write, Callback::to<&Watch::writable>(this),
               event::IoWatch::Trigger::level) {}

  // One of CURL_POLL_IN, _OUT, _INOUT; anything else watches nothing.
  void want(int what) {
    set(read_, what == CURL_POLL_IN || what == CURL_POLL_INOUT);
    set(write_, what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
  }

 private:
  static void set(event::IoWatch& watch, bool on) {
    if (!on) {
      watch.stop();
    } else if (!watch.start()) {
      LOG(error, "fetch: a socket cannot be watched; its transfer will run into its deadline");
    }
  }
  void readable() { engine_.act(fd_, CURL_CSELECT_IN); }
  void writable() { engine_.act(fd_, CURL_CSELECT_OUT); }

  Engine& engine_;
  curl_socket_t fd_;
  event::IoWatch read_;
  event::IoWatch write_;
};

Fetcher::Engine::Engine(event::Loop& loop, const Options& options)
    : loop_(loop),
      options_(options),
      timer_(loop, Callback::to<&Engine::on_time>(this)),
      at_once_(loop, Callback::to<&Engine::on_time>(this)) {
  init_curl();
  multi_ = curl_multi_init();
  CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Engine::on_socket_change);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Engine::on_timer_change);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options.connections));
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options.connections_per_server));
  // Else curl keeps four for each easy handle it has now: hardly any when a burst is over.
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections));
}

Fetcher::Engine::~Engine() {
  while (!transfers_.empty()) end(transfers_.begin()->first);
  spares_.clear();
  curl_multi_cleanup(multi_);
}

Easy Fetcher::Engine::take_easy() {
  if (spares_.empty()) {
    Easy easy(curl_easy_init());
    CHECK(easy != nullptr);
    return easy;
  }
  Easy easy = std::move(spares_.back());
  spares_.pop_back();
  return easy;
}

Fetcher::Transfer* Fetcher::Engine::start(FetchRequest request, Handle* handle) {
  auto transfer = std::make_unique<Transfer>(*this, loop_, take_easy(), std::move(request), handle);
  Transfer* started = transfer.get();
  CURL* easy = started->exchange().easy();
  auto idle = std::chrono::ceil<std::chrono::seconds>(options_.idle).count();
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, static_cast<long>(idle));
  transfers_.emplace(started, std::move(transfer));
  CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
  return started;
}

void Fetcher::Engine::end(Transfer* transfer) {
  auto found = transfers_.find(transfer);
  curl_multi_remove_handle(multi_, transfer->exchange().easy());
  if (Easy easy = transfer->take_easy(); spares_.size() < kSpares) {
    curl_easy_reset(easy.get());
    spares_.push_back(std::move(easy));
  }
  transfers_.erase(found);  // last: the easy handle looked into it
}

void Fetcher::Engine::act(curl_socket_t fd, int ready) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, ready, &running);
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;
    char* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    auto* transfer = reinterpret_cast<Transfer*>(owner);
    transfer->on_done(code);
    end(transfer);
  }
}

int Fetcher::Engine::on_socket_change(CURL*, curl_socket_t fd, int what, void* self, void* watch) {
  static_cast<Engine*>(self)->change_watch(fd, what, static_cast<Watch*>(watch));
  return 0;
}

void Fetcher::Engine::change_watch(curl_socket_t fd, int what, Watch* watch) {
  if (!watch && what != CURL_POLL_REMOVE) {
    auto made = std::make_unique<Watch>(*this, loop_, fd);
    watch = made.get();
    watches_[fd] = std::move(made);
    curl_multi_assign(multi_, fd, watch);
  }
  if (watch) watch->want(what);
  if (what != CURL_POLL_REMOVE || !watch) return;
  // This may be the watch whose notice brought us here.
  auto found = watches_.find(fd);
  loop_.dispose(std::move(found->second));
  watches_.erase(found);
}

int Fetcher::Engine::on_timer_change(CURLM*, long timeout_ms, void* self) {
  Engine& engine = *static_cast<Engine*>(self);
  engine.timer_.stop();
  engine.at_once_.cancel();
  if (timeout_ms == 0) {
    engine.at_once_
        .schedule();  // curl must not be called inside its own call, and a timer would cost a millisecond
  } else if (timeout_ms > 0) {
    engine.timer_.start(Millis(timeout_ms));
  }
  return 0;
}

void Fetcher::Transfer::on_deadline() {
  Millis late = exchange_.request().late_limit;
  if (handle_) {
    handle_->finish(exchange_.timeout(), exchange_.timing());
    if (late > Millis(0)) return go_on_unheard(late);
  }
  end();
}

void Fetcher::Transfer::end() { engine_.end(this); }

Fetcher::Handle::~Handle() {
  if (transfer_) transfer_->end();
}

Fetcher::Fetcher(event::Loop& loop) : Fetcher(loop, Options{}) {}
Fetcher::Fetcher(event::Loop& loop, Options options) : loop_(loop), options_(options) {}
Fetcher::~Fetcher() = default;

Fetcher::Engine& Fetcher::engine() {
  if (!engine_) engine_ = std::make_unique<Engine>(loop_, options_);
  return *engine_;
}

std::unique_ptr<Fetch> Fetcher::start(FetchRequest request, Listener& listener) {
  auto handle = std::make_unique<Handle>(loop_, listener, request.tag);
  Result<void> good = check_request(request);
  if (good) {
    handle->transfer_ = engine().start(std::move(request), handle.get());
  } else {
    handle->finish(good.error(), {});
  }
  return handle;
}

void Fetcher::detach(std::unique_ptr<Fetch> fetch, Millis limit) {
  auto& handle = static_cast<Handle&>(*fetch);
  if (Transfer* transfer = std::exchange(handle.transfer_, nullptr)) transfer->go_on_unheard(limit);
}

size_t Fetcher::running() const { return engine_ ? engine_->running() : 0; }

// ---------------------------------------------------------------- without a loop

Result<FetchResponse> fetch_now(const FetchRequest& request, Millis timeout) {
  Result<void> good = check_request(request);
  if (!good) return good.error();
  init_curl();
  Easy easy(curl_easy_init());
  CHECK(easy != nullptr);
  Exchange exchange(easy.get(), request);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  return exchange.take_result(curl_easy_perform(easy.get()));
}

}  // namespace banyan::net
