// How the C functions find their C++ objects: a banyan_call is the first base of the AbiSession that belongs
// to it. The functions of the host table are at the end.
#include "handler/abi_bridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/log.h"
#include "event/loop.h"
#include "event/timer.h"
#include "handler/wake_queue.h"

struct banyan_call {};

struct banyan_setup {
  std::string_view name;
  const std::vector<std::pair<std::string, std::string>>& options;
  std::string reason;
};

struct banyan_waker {
  std::shared_ptr<banyan::handler::WakeQueue> queue;
  std::shared_ptr<banyan::handler::WakeTarget> target;
};

namespace banyan::handler {
namespace {

const banyan_host& host_table();

std::string_view view(banyan_text text) { return text.size ? std::string_view(text.data, text.size) : ""; }
banyan_text text(std::string_view view) { return {view.data(), view.size()}; }

// RFC 9110 section 5.6.2 and 5.5: what cannot smuggle a second field or message into the answer.
bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

bool is_field_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; });
}

// One per [handler.NAME] and worker.
class AbiHandler final : public Handler {
 public:
  AbiHandler(const banyan_handler_table& table, std::string_view name, void* plugin, Services& services)
      : table(table), name(name), services(services), plugin_(plugin) {}
  ~AbiHandler() override { table.destroy(plugin_); }
  AbiHandler(const AbiHandler&) = delete;
  AbiHandler& operator=(const AbiHandler&) = delete;

  std::unique_ptr<Session> open(Call& call) override;
  void* plugin() const { return plugin_; }

  // Made with the first waker: most plug-ins need none. Null when there are no descriptors left.
  std::shared_ptr<WakeQueue> wake_queue() {
    if (!wakes_) {
      std::shared_ptr<WakeQueue> queue = WakeQueue::make();
      if (!queue) return nullptr;
      wakes_.emplace(services.loop, queue);
      if (!wakes_->start()) wakes_.reset();
    }
    return wakes_ ? wakes_->queue() : nullptr;
  }

  const banyan_handler_table& table;
  const std::string name;
  Services& services;

 private:
  void* plugin_;
  std::optional<WakeWatch> wakes_;
};

class AbiSession final : public banyan_call,
                         public Session,
                         http::BodyReader::Listener,
                         http::BodyWriter::Listener {
 public:
  AbiSession(AbiHandler& handler, Call& call)
      : handler_(handler),
        call_(call),
        timer_(handler.services.loop, Callback::to<&AbiSession::on_timer>(this)) {}

  ~AbiSession() override {
    if (!over_) stop();
    // Whatever a plug-in still calls in close(), it changes nothing, and a waker it asks for reaches nobody.
    if (plugin_) handler_.table.close(plugin_);
    if (wake_target_) wake_target_->on_woken = {};
  }

  // False: the plug-in is done with the call, or did not answer it, which is then its failure.
  bool open() {
    plugin_ = handler_.table.open(handler_.plugin(), this);
    if (!plugin_ && !over_) fail(500, "open() neither answered nor returned a session");
    return plugin_ != nullptr;
  }

  Call& call() { return call_; }

  int read(banyan_text& piece) {
    http::BodyReader& reader = call_.request_body();
    if (!reader.empty()) {
      piece = text(reader.front().view());
      return BANYAN_DATA;
    }
    if (reader.error()) return BANYAN_BROKEN;
    if (reader.at_end()) return BANYAN_END;
    if (!over_) {
      awaits_body_ = true;
      if (!std::exchange(reading_, true)) reader.listen(this);
    }
    return BANYAN_WAIT;
  }

  int respond(int status, const banyan_field* fields, size_t count, int64_t body_size) {
    if (responded_ || over_) return refuse("respond() was called twice");
    if (status != 101 && (status < 200 || status > 599)) return refuse(fmt::format("status {}", status));
    http::ResponseHead head;
    head.status = status;
    for (size_t i = 0; i < count; ++i) {
      const std::string_view name = view(fields[i].name), value = view(fields[i].value);
      if (!is_field_name(name) || !is_field_value(value)) {
        return refuse(fmt::format("field {} of the answer has bytes that do not belong there", i));
      }
      head.fields.add_copy(name, value);
    }
    const bool bodyless = http::has_no_body(http::Method::get, status) && status != 101;
    if (!bodyless && body_size != 0) {
      head.body = body_size < 0 ? http::BodyLength{http::BodyKind::streamed, 0}
                                : http::BodyLength{http::BodyKind::sized, static_cast<uint64_t>(body_size)};
    } else if (!bodyless) {
      head.body = {http::BodyKind::sized, 0};
    }
    drops_body_ = status != 101 && http::has_no_body(call_.request().method, status);
    responded_ = true;
    call_.respond(head);
    call_.response_body().listen(this);
    return 0;
  }

  int write(std::string_view bytes) {
    if (!responded_ || over_ || call_.response_body().abandoned()) return BANYAN_GONE;
    if (drops_body_) return BANYAN_TAKEN;
    BufferPools& buffers = handler_.services.buffers;
    http::BodyWriter& writer = call_.response_body();
    writer.write_copy(bytes.size() <= BufferPools::kSmall ? buffers.small : buffers.large, bytes);
    awaits_room_ = writer.full();
    return awaits_room_ ? BANYAN_FULL : BANYAN_TAKEN;
  }

  void end() {
    if (!responded_ || over_) return static_cast<void>(refuse("end() before respond() or after the end"));
    stop();
    call_.response_body().end();
  }

  void fail(int status, std::string_view message) {
    if (over_) return static_cast<void>(refuse("fail() after the end"));
    stop();
    call_.fail(handler_error(status >= 400 && status <= 599 ? status : 500,
                             fmt::format("handler {}: {}", handler_.name, message)));
  }

  void set_timer(uint64_t milliseconds) {
    constexpr uint64_t kYear = uint64_t{365} * 24 * 3600 * 1000;
    if (!over_) timer_.start(Millis(std::min(milliseconds, kYear)));
  }
  void clear_timer() { timer_.stop(); }

  banyan_waker* make_waker() {
    std::shared_ptr<WakeQueue> queue = handler_.wake_queue();
    if (!queue) return nullptr;
    if (!wake_target_) {
      wake_target_ = std::make_shared<WakeTarget>();
      wake_target_->on_woken = Callback::to<&AbiSession::on_woken>(this);
    }
    return new banyan_waker{std::move(queue), wake_target_};
  }

 private:
  void on_body() override {
    if (std::exchange(awaits_body_, false)) ready(BANYAN_BODY);
  }
  void on_room() override {
    if (std::exchange(awaits_room_, false)) ready(BANYAN_ROOM);
  }
  void on_timer() { ready(BANYAN_TIMER); }
  void on_woken() { ready(BANYAN_WOKEN); }

  void ready(uint32_t events) {
    if (!over_ && plugin_) handler_.table.ready(plugin_, events);
  }

  // No events from here on.
  void stop() {
    over_ = true;
    timer_.stop();
    if (reading_) call_.request_body().listen(nullptr);
    if (responded_) call_.response_body().listen(nullptr);
  }

  int refuse(std::string_view what) {
    LOG(error, "handler {}: refused: {}", handler_.name, what);
    return -1;
  }

  AbiHandler& handler_;
  Call& call_;
  void* plugin_ = nullptr;
  event::Timer timer_;
  std::shared_ptr<WakeTarget> wake_target_;
  bool responded_ = false;
  bool over_ = false;  // end() or fail() was called
  bool drops_body_ = false;
  bool reading_ = false;  // listens to the request's body
  bool awaits_body_ = false;
  bool awaits_room_ = false;
};

std::unique_ptr<Session> AbiHandler::open(Call& call) {
  auto session = std::make_unique<AbiSession>(*this, call);
  if (!session->open()) return nullptr;
  return session;
}

// ---------------------------------------------------------------- the host table

AbiSession& session_of(banyan_call* call) { return *static_cast<AbiSession*>(call); }
const http::RequestHead& request_of(banyan_call* call) { return session_of(call).call().outbound(); }

void write_log(int level, banyan_text message) {
  constexpr log::Level kLevels[] = {log::Level::debug, log::Level::info, log::Level::notice, log::Level::warn,
                                    log::Level::error};
  const log::Level known = kLevels[std::clamp<int>(level, BANYAN_LOG_DEBUG, BANYAN_LOG_ERROR)];
  if (log::enabled(known)) log::write(known, view(message));
}

int find_option(const banyan_setup* setup, banyan_text name, banyan_text* value) {
  for (const auto& [known, option] : setup->options) {
    if (known != view(name)) continue;
    *value = text(option);
    return 1;
  }
  return 0;
}

banyan_field option_at(const banyan_setup* setup, size_t index) {
  if (index >= setup->options.size()) return {};
  const auto& [name, value] = setup->options[index];
  return {text(name), text(value)};
}

banyan_field field_at(banyan_call* call, size_t index) {
  const auto& fields = request_of(call).fields.list();
  if (index >= fields.size()) return {};
  return {text(fields[index].name), text(fields[index].value)};
}

int find_field(banyan_call* call, banyan_text name, banyan_text* value) {
  const http::Field* field = request_of(call).fields.find(view(name));
  if (field) *value = text(field->value);
  return field != nullptr;
}

int64_t body_size(banyan_call* call) {
  const http::BodyLength& body = request_of(call).body;
  if (body.kind == http::BodyKind::none) return 0;
  return body.kind == http::BodyKind::sized ? static_cast<int64_t>(body.size) : -1;
}

int64_t time_left(banyan_call* call) {
  const TimePoint deadline = session_of(call).call().deadline();
  if (deadline == TimePoint::max()) return std::numeric_limits<int64_t>::max();
  return std::max<int64_t>(0, std::chrono::duration_cast<Millis>(deadline - MonotonicClock::now()).count());
}

void consume(banyan_call* call, size_t count) {
  http::BodyReader& reader = session_of(call).call().request_body();
  reader.consume(std::min(count, reader.size()));
}

const banyan_host& host_table() {
  static const banyan_host table = {
      .size = sizeof(banyan_host),
      .abi_version = BANYAN_ABI_VERSION,
      .log = write_log,
      .handler_name = [](const banyan_setup* setup) { return text(setup->name); },
      .option_count = [](const banyan_setup* setup) { return setup->options.size(); },
      .option_at = option_at,
      .find_option = find_option,
      .refuse = [](banyan_setup* setup, banyan_text reason) { setup->reason = view(reason); },
      .method = [](banyan_call* call) { return text(request_of(call).method_text); },
      .path = [](banyan_call* call) { return text(request_of(call).path); },
      .query = [](banyan_call* call) { return text(request_of(call).query); },
      .host = [](banyan_call* call) { return text(request_of(call).host); },
      .client_ip = [](banyan_call* call) { return text(session_of(call).call().client().ip); },
      .field_count = [](banyan_call* call) { return request_of(call).fields.size(); },
      .field_at = field_at,
      .find_field = find_field,
      .body_size = body_size,
      .time_left = time_left,
      .read = [](banyan_call* call, banyan_text* piece) { return session_of(call).read(*piece); },
      .consume = consume,
      .respond = [](banyan_call* call, int status, const banyan_field* fields, size_t count,
                    int64_t size) { return session_of(call).respond(status, fields, count, size); },
      .write = [](banyan_call* call, banyan_text bytes) { return session_of(call).write(view(bytes)); },
      .end = [](banyan_call* call) { session_of(call).end(); },
      .fail = [](banyan_call* call, int status,
                 banyan_text message) { session_of(call).fail(status, view(message)); },
      .set_timer = [](banyan_call* call, uint64_t milliseconds) { session_of(call).set_timer(milliseconds); },
      .clear_timer = [](banyan_call* call) { session_of(call).clear_timer(); },
      .waker_new = [](banyan_call* call) { return session_of(call).make_waker(); },
      .waker_wake = [](banyan_waker* waker) { waker->queue->wake(waker->target); },
      .waker_free = [](banyan_waker* waker) { delete waker; },
  };
  return table;
}

}  // namespace

Result<std::unique_ptr<Handler>> make_abi_handler(
    const banyan_handler_table& table, std::string_view name,
    const std::vector<std::pair<std::string, std::string>>& options, Services& services) {
  banyan_setup setup{name, options, {}};
  void* plugin = table.create(&host_table(), &setup);
  if (!plugin) return proxy_error(setup.reason.empty() ? "refused, without a reason" : setup.reason);
  std::unique_ptr<Handler> handler = std::make_unique<AbiHandler>(table, name, plugin, services);
  return handler;
}

}  // namespace banyan::handler
