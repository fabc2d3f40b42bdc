#include "handlers/event_dispatch/publish_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "event/deferred.h"
#include "event/loop.h"
#include "handlers/event_dispatch/event_members.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

// How long a batch may keep others waiting.
constexpr Duration kSlice = 1ms;
constexpr std::string_view kLines = "application/x-ndjson";

// Null: more than one, or one that will not do.
std::optional<std::string_view> repeat_key(const http::Fields& fields) {
  std::string_view key;
  for (const http::Field& field : fields) {
    if (!http::equal_ignoring_case(field.name, "Idempotency-Key")) continue;
    if (!key.empty()) return std::nullopt;
    key = field.value;
    if (key.size() >= 2 && key.front() == '"' && key.back() == '"') key = key.substr(1, key.size() - 2);
    if (key.empty() || key.size() > kLongestRepeatKey) return std::nullopt;
  }
  return key;
}

void send(handler::Call& call, const PublishMeans& means, int status, std::string_view type,
          std::string_view body, const http::Fields& more) {
  http::ResponseHead head;
  head.status = status;
  head.fields.add(http::FieldId::content_type, type);
  for (const http::Field& field : more) head.fields.add(field);
  if (means.decorate) means.decorate(head.fields);
  handler::answer(call, means.services.buffers, std::move(head), body);
}

void add_retry_after(Duration time, http::Fields& fields) {
  if (time <= Duration(0)) return;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  fields.add_copy(http::FieldId::retry_after, std::to_string(seconds));
}

// With the fields that the status wants (RFC 6750 section 3, RFC 9110 section 10.2.3).
void send_problem(handler::Call& call, const PublishMeans& means, const PublishAnswer& answer) {
  http::Fields fields;
  add_retry_after(answer.retry_after, fields);
  if (!answer.challenge.empty()) fields.add("WWW-Authenticate", answer.challenge);
  std::string json;
  append_problem(json, answer);
  send(call, means, answer.status, "application/problem+json", json + "\n", fields);
}

// Collects the body; what becomes of it is told by the classes behind.
class PublishSession : public handler::Session, http::BodyReader::Listener {
 public:
  PublishSession(handler::Call& call, PublishMeans means, uint64_t most)
      : call_(call), means_(std::move(means)), most_(most) {
    call_.request_body().listen(this);
  }
  ~PublishSession() override { stop_reading(); }

 protected:
  virtual void on_whole_body() = 0;

  void answer(int status, std::string_view type, std::string_view body, const http::Fields& more = {}) {
    send(call_, means_, status, type, body, more);
  }
  void refuse(const PublishAnswer& why) {
    means_.publisher.note_refused(why.status);
    send_problem(call_, means_, why);
  }

  handler::Call& call_;
  const PublishMeans means_;
  const uint64_t most_;
  std::string body_;

 private:
  void on_body() override {
    http::BodyReader& reader = call_.request_body();
    while (!reader.empty()) {
      body_.append(reader.front().view());
      reader.consume(reader.front().size);
      if (body_.size() > most_) return refuse_long_body();
    }
    if (reader.error()) {
      Error error = *reader.error();
      stop_reading();
      return call_.fail(std::move(error));
    }
    if (!reader.at_end()) return;
    stop_reading();
    on_whole_body();
  }
  void refuse_long_body() {
    stop_reading();
    refuse(refusal(413, fmt::format("the body is longer than {} bytes", most_)));
  }
  void stop_reading() {
    if (reading_) call_.request_body().listen(nullptr);
    reading_ = false;
  }

  bool reading_ = true;
};

class SinglePublish final : public PublishSession {
 public:
  SinglePublish(handler::Call& call, PublishMeans means, uint64_t most, std::string channel, std::string key)
      : PublishSession(call, std::move(means), most), channel_(std::move(channel)), key_(std::move(key)) {}

 private:
  void on_whole_body() override {
    const std::string_view type = call_.request().fields.get(http::FieldId::content_type);
    Publisher& publisher = means_.publisher;
    const BodyKind kind = body_kind(type, body_, !publisher.limits().schema.empty());
    PublishAnswer done;
    if (!kind.problem.empty()) {
      publisher.note_refused(400);
      done = refusal(400, std::string(kind.problem));
    } else {
      done = publisher.publish({channel_, kind.kind, body_, key_, call_.client().ip});
    }
    if (!done.ok()) return send_problem(call_, means_, done);
    std::string json;
    append_published(json, channel_, done);
    answer(202, "application/json", json + "\n");
  }

  const std::string channel_, key_;
};

class BatchPublish final : public PublishSession {
 public:
  BatchPublish(handler::Call& call, PublishMeans means, uint64_t most)
      : PublishSession(call, std::move(means), most),
        next_slice_(means_.services.loop, Callback::to<&BatchPublish::go_on>(this)) {}

 private:
  // The answers to lines of two bytes are forty times as long, so it is their number that has to have a
  // limit.
  void on_whole_body() override {
    const uint64_t most = most_ / kBytesPerLine;
    const auto lines = static_cast<uint64_t>(std::count(body_.begin(), body_.end(), '\n'));
    if (lines > most) return refuse(refusal(413, fmt::format("the batch has more than {} lines", most)));
    go_on();
  }

  void go_on() {
    const event::Loop& loop = means_.services.loop;
    const TimePoint end = loop.fresh_now() + kSlice;
    while (at_ < body_.size()) {
      const size_t stop = std::min(body_.find('\n', at_), body_.size());
      publish_line(std::string_view(body_).substr(at_, stop - at_));
      at_ = stop + 1;
      if (at_ < body_.size() && loop.fresh_now() > end) return next_slice_.schedule_next_turn();
    }
    http::Fields fields;
    add_retry_after(retry_after_, fields);
    answer(all_taken_ ? 202 : 207, kLines, answers_, fields);
  }

  void publish_line(std::string_view text) {
    if (text.find_first_not_of(" \t\r") == text.npos) return;
    std::string channel;
    const PublishAnswer done = take(text, channel);
    all_taken_ &= done.ok();
    retry_after_ = std::max(retry_after_, done.retry_after);
    if (done.ok()) {
      append_published(answers_, channel, done);
    } else {
      append_problem(answers_, done);
    }
    answers_ += '\n';
  }

  PublishAnswer take(std::string_view text, std::string& channel) {
    Result<BatchLine> line = parse_batch_line(text);
    PublishAnswer judged;
    if (!line.ok()) {
      judged = refusal(line.error().status, line.error().message);
    } else {
      channel = line->channel;
      judged = means_.grant.judge(channel);
    }
    if (judged.ok()) {
      const EventMembers& event = line->event;
      return means_.publisher.publish({channel, event.kind, event.data, event.key, call_.client().ip});
    }
    means_.publisher.note_refused(judged.status);
    return judged;
  }

  size_t at_ = 0;
  bool all_taken_ = true;
  Duration retry_after_{};  // until every line might be taken
  std::string answers_;
  event::Deferred next_slice_;
};

// What the head alone says; 202: go on.
PublishAnswer judge_head(const http::RequestHead& request, uint64_t most) {
  if (!request.fields.get(http::FieldId::content_encoding).empty()) {
    return refusal(415, "the body must not be encoded");
  }
  if (request.body.kind == http::BodyKind::sized && request.body.size > most) {
    return refusal(413, fmt::format("the body is longer than {} bytes", most));
  }
  return {};
}

std::unique_ptr<handler::Session> refuse(handler::Call& call, const PublishMeans& means,
                                         const PublishAnswer& answer) {
  means.publisher.note_refused(answer.status);
  send_problem(call, means, answer);
  return nullptr;
}

}  // namespace

std::unique_ptr<handler::Session> open_publish(handler::Call& call, PublishMeans means, std::string channel) {
  const uint64_t most = means.publisher.limits().max_message;
  PublishAnswer judged = means.grant.answer;
  if (judged.ok()) judged = means.grant.judge(channel);
  if (judged.ok()) judged = judge_head(call.request(), most);
  const std::optional<std::string_view> key = repeat_key(call.request().fields);
  if (judged.ok() && !key) judged = refusal(400, "Idempotency-Key must be one text of 1 to 255 bytes");
  if (!judged.ok()) return refuse(call, means, judged);
  return std::make_unique<SinglePublish>(call, std::move(means), most, std::move(channel), std::string(*key));
}

std::unique_ptr<handler::Session> open_batch_publish(handler::Call& call, PublishMeans means, uint64_t most) {
  PublishAnswer judged = means.grant.answer;
  if (judged.ok()) judged = judge_head(call.request(), most);
  if (judged.ok() && media_type(call.request().fields.get(http::FieldId::content_type)) != kLines) {
    judged = refusal(415, "a batch must be application/x-ndjson; a single event is posted to its channel");
  }
  if (!judged.ok()) return refuse(call, means, judged);
  return std::make_unique<BatchPublish>(call, std::move(means), most);
}

}  // namespace banyan::handlers
