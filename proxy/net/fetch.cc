#include "net/fetch.h"

#include <curl/curl.h>

#include <optional>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "event/deferred.h"
#include "event/io.h"
#include "event/loop.h"
#include "net/fetch_exchange.h"
#include "net/fetch_message.h"

namespace banyan::net {

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
  FetchExchange& exchange() { return exchange_; }
  Easy take_easy() { return std::move(easy_); }

 private:
  void on_deadline();

  Engine& engine_;
  Easy easy_;
  FetchExchange exchange_;
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
  FetchExchange exchange(easy.get(), request);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  return exchange.take_result(curl_easy_perform(easy.get()));
}

}  // namespace banyan::net
