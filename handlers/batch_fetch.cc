// batch_fetch: many objects of a store by one request, answered at the deadline at the latest with what is
// there.
//
//   body ─▶ parse ─▶ Delegator ─▶ object, object … ─▶ BatchAnswer ─▶ all there, or the deadline: one answer
//                                                                    (NDJSON: a line for each, at once)
//
// Time counts from the arrival of the request's head, so a slow upload eats up the client's own time. A batch
// is a BatchSession; what it shares with others (slots, connections, the store's settings) belongs to the
// BatchFetch.
#include <fmt/format.h>

#include <optional>

#include "base/log.h"
#include "config/formats.h"
#include "handlers/all_handlers.h"
#include "handlers/batch_fetch_answer.h"
#include "handlers/batch_fetch_delegator.h"
#include "handlers/batch_fetch_json.h"
#include "handlers/batch_fetch_request.h"
#include "handlers/object_store.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

// ---------------------------------------------------------------- options

enum class Auth { none, sigv4 };

struct BatchFetchOptions {
  std::string origin;
  Auth auth = Auth::none;
  std::string region = "us-east-1";
  config::Secret access_key;
  config::Secret secret_key;
  config::Secret session_token;
  uint32_t max_keys = 1000;
  Millis default_timeout = 1200ms;
  Millis max_timeout = 10s;
  uint32_t concurrency = 128;
  uint64_t max_object = 4 * 1024 * 1024;
  bool operator==(const BatchFetchOptions&) const = default;
};

std::string origin_problem(const std::string& text) {
  Result<Origin> origin = parse_origin(text);
  return origin.ok() ? std::string() : origin.error().message;
}

void check_options(const BatchFetchOptions& options, const config::Value& value) {
  if (options.auth == Auth::sigv4) {
    for (const char* key : {"access_key", "secret_key"}) {
      if (!value.has(key)) value.at(key).error("is needed with auth = \"sigv4\"");
    }
  } else {
    for (const char* key : {"access_key", "secret_key", "session_token"}) {
      if (value.has(key)) value.at(key).error("has no effect without auth = \"sigv4\"");
    }
  }
  if (options.default_timeout > options.max_timeout) {
    value.at("default_timeout").error("must not be more than max_timeout");
  }
}

const config::Section<BatchFetchOptions>& batch_fetch_section() {
  using Options = BatchFetchOptions;
  static const config::Section<Options> section(
      "batch_fetch",
      "Fetches many objects of an S3-compatible store for one request and answers by its deadline with what "
      "it has.",
      {config::field("origin", &Options::origin,
                     config::checked<std::string>(config::nonempty_text(), origin_problem),
                     "The store, with the bucket as path: \"http://127.0.0.1:4568/content\".")
           .required(),
       config::field("auth", &Options::auth,
                     config::choice<Auth>({{"none", Auth::none}, {"sigv4", Auth::sigv4}}),
                     "How requests to the store are signed: not at all, or with AWS Signature Version 4."),
       config::field("region", &Options::region, config::nonempty_text(), "The region that is signed for."),
       config::field("access_key", &Options::access_key, config::secret(), "The id of the key."),
       config::field("secret_key", &Options::secret_key, config::secret(), "The key."),
       config::field("session_token", &Options::session_token, config::secret(), "Of temporary credentials."),
       config::field("max_keys", &Options::max_keys, config::integer<uint32_t>(1, 10'000),
                     "Most keys of one request; more are refused with 422."),
       config::field("default_timeout", &Options::default_timeout, config::duration(1ms, 1h),
                     "For requests without \"timeout_ms\"."),
       config::field("max_timeout", &Options::max_timeout, config::duration(1ms, 1h),
                     "Most that \"timeout_ms\" may be; more is refused with 422."),
       config::field(
           "concurrency", &Options::concurrency, config::integer<uint32_t>(1, 256),
           "Most fetches at the same time, for each worker. They are shared fairly between requests."),
       config::field("max_object", &Options::max_object, config::size(1, 64 << 20),
                     "Longest object; longer ones are the error \"too_large\".")},
      check_options);
  return section;
}

StoreOptions store_options(const BatchFetchOptions& options) {
  StoreOptions store;
  store.origin = *parse_origin(options.origin);
  store.sign = options.auth == Auth::sigv4;
  store.region = options.region;
  store.credentials = {options.access_key.value, options.secret_key.value, options.session_token.value};
  store.max_object = options.max_object;
  return store;
}

BatchLimits batch_limits(const BatchFetchOptions& options) {
  BatchLimits limits;
  limits.max_keys = options.max_keys;
  limits.default_timeout = options.default_timeout;
  limits.max_timeout = options.max_timeout;
  // Only a signature makes sure that nobody on the way resolves "..".
  limits.dot_segments = options.auth == Auth::sigv4;
  return limits;
}

// ---------------------------------------------------------------- answers

// RFC 9457.
void answer_problem(handler::Call& call, BufferPools& buffers, int status, std::string_view detail) {
  std::string json = fmt::format("{{\"status\":{},\"title\":\"bad batch request\",\"detail\":", status);
  append_json_string(json, detail);
  json.append("}\n");
  http::ResponseHead head;
  head.status = status;
  head.fields.add(http::FieldId::content_type, "application/problem+json");
  if (status == 405) head.fields.add("Allow", "POST");
  handler::answer(call, buffers, std::move(head), json);
}

// True if the client lists NDJSON, and not JSON before it.
bool wants_lines(const http::Fields& fields) {
  std::optional<bool> lines;
  for (const http::Field& field : fields) {
    if (field.id != http::FieldId::accept) continue;
    http::each_list_element(field.value, [&](std::string_view element) {
      std::string_view type = element.substr(0, element.find(';'));
      while (type.ends_with(' ')) type.remove_suffix(1);
      if (lines) return;
      if (http::equal_ignoring_case(type, "application/x-ndjson")) lines = true;
      if (http::equal_ignoring_case(type, "application/json")) lines = false;
    });
  }
  return lines.value_or(false);
}

// ---------------------------------------------------------------- the handler

// One per worker and [handler.NAME].
class BatchFetch final : public handler::Handler {
 public:
  BatchFetch(const config::HandlerEntry& entry, handler::Services& services)
      : name(entry.name),
        services(services),
        options(entry.options.as<BatchFetchOptions>()),
        limits(batch_limits(options)),
        store_(store_options(options), services.fetcher, services.loop),
        delegator(services.loop, store_, options.concurrency) {}

  std::unique_ptr<handler::Session> open(handler::Call& call) override;

  // What operators should know about the store, once a minute at most.
  void note_trouble(const Object& object) {
    if (object.status != 403 && object.error.empty()) return;
    if (object.error == "timeout" || object.error == "too_large") return;
    const TimePoint now = services.loop.now();
    if (troubled_at_ && now - *troubled_at_ < 1min) return;
    troubled_at_ = now;
    if (object.status == 403) {
      LOG(warn, "handler {}: the store refuses our requests: 403 {}", name, object.code);
    } else {
      LOG(warn, "handler {}: {}: {}", name, object.error, object.detail);
    }
  }

  const std::string& name;
  handler::Services& services;
  const BatchFetchOptions& options;
  const BatchLimits limits;

 private:
  ObjectStore store_;

 public:
  Delegator delegator;

 private:
  std::optional<TimePoint> troubled_at_;
};

class BatchSession final : public handler::Session, http::BodyReader::Listener, Delegator::Batch {
 public:
  BatchSession(BatchFetch& handler, handler::Call& call)
      : handler_(handler),
        call_(call),
        deadline_(handler.services.loop, Callback::to<&BatchSession::on_deadline>(this)) {
    set_deadline(handler_.limits.max_timeout);
    call_.request_body().listen(this);
  }

  ~BatchSession() override {
    if (state_ == State::reading) call_.request_body().listen(nullptr);
    handler_.delegator.remove(*this);
  }

 private:
  enum class State { reading, fetching, over };

  // What an answer needs from the timer to the socket: a timer is up to a millisecond late, and other events
  // of the same turn of the loop may come first.
  static constexpr Millis kAnswering{3};

  void set_deadline(Millis timeout) {
    const Duration early = std::min<Duration>(kAnswering, timeout / 2);
    deadline_.start_at(std::min(call_.arrived() + timeout, call_.deadline()) - early);
  }

  void on_body() override {
    http::BodyReader& reader = call_.request_body();
    while (!reader.empty()) {
      body_.append(reader.front().view());
      reader.consume(reader.front().size);
      if (body_.size() > longest_body(handler_.limits)) return refuse(413, "the body is too long");
    }
    if (reader.error()) return give_up(*reader.error());
    if (reader.at_end()) begin();
  }

  void stop_reading(State next) {
    call_.request_body().listen(nullptr);
    state_ = next;
  }

  void give_up(Error error) {
    stop_reading(State::over);
    deadline_.stop();
    call_.fail(std::move(error));
  }

  void refuse(int status, std::string_view why) {
    stop_reading(State::over);
    deadline_.stop();
    answer_problem(call_, handler_.services.buffers, status, why);
  }

  void begin() {
    Result<BatchRequest> request = parse_batch_request(body_, handler_.limits);
    if (!request.ok()) return refuse(request.error().status, request.error().message);
    stop_reading(State::fetching);
    body_ = std::string();
    keys = std::move(request->keys);
    const auto make_answer = wants_lines(call_.request().fields) ? make_lines_answer : make_json_answer;
    answer_ = make_answer(call_, handler_.services.buffers.large, keys);
    set_deadline(request->timeout);
    // Reading and parsing may have used up the time; then nothing is asked of the store.
    if (deadline_.when() > handler_.services.loop.fresh_now()) handler_.delegator.add(*this);
  }

  void on_object(size_t index, Object object) override {
    handler_.note_trouble(object);
    answer_->add(index, object);
    if (answer_->settled()) finish();
  }

  void on_deadline() {
    if (state_ == State::reading) return refuse(408, "the body did not arrive in time");
    finish();
  }

  // The answer goes out first; what is under way is cleaned up after it.
  void finish() {
    state_ = State::over;
    deadline_.stop();
    answer_->give_up("timeout");
    auto& numbers = call_.notes().numbers;
    numbers.emplace_back("keys", keys.size());
    numbers.emplace_back("delivered", answer_->delivered());
    numbers.emplace_back("missing", answer_->missing());
    answer_->send();
    handler_.delegator.remove(*this);
  }

  BatchFetch& handler_;
  handler::Call& call_;
  State state_ = State::reading;
  std::string body_;
  std::unique_ptr<BatchAnswer> answer_;  // once the request was understood
  event::Timer deadline_;
};

std::unique_ptr<handler::Session> BatchFetch::open(handler::Call& call) {
  const http::RequestHead& request = call.request();
  std::string_view problem;
  int status = 0;
  if (request.method != http::Method::post) {
    status = 405, problem = "use POST";
  } else if (!request.fields.get(http::FieldId::content_encoding).empty()) {
    status = 415, problem = "the body must not be encoded";
  } else if (request.body.kind == http::BodyKind::sized && request.body.size > longest_body(limits)) {
    status = 413, problem = "the body is too long";
  }
  if (status == 0) return std::make_unique<BatchSession>(*this, call);
  answer_problem(call, services.buffers, status, problem);
  return nullptr;
}

Result<std::unique_ptr<handler::Handler>> make_batch_fetch(const config::HandlerEntry& entry,
                                                           handler::Services& services) {
  std::unique_ptr<handler::Handler> made = std::make_unique<BatchFetch>(entry, services);
  return made;
}

}  // namespace

handler::HandlerType batch_fetch_type() {
  const config::AnySection& section = batch_fetch_section();
  return {section.name(), section.doc(), section, make_batch_fetch};
}

}  // namespace banyan::handlers
