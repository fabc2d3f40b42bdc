#include "handlers/batch_fetch/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_text.h"

namespace banyan::handlers {

void answer_problem(handler::Call& call, BufferPools& buffers, int status, std::string_view detail) {
  std::string json = fmt::format("{{\"status\":{},\"title\":\"bad batch request\",\"detail\":", status);
  append_json_string(json, detail);
  json.append("}\n");
  http::ResponseHead head;
  head.status = status;
  head.fields.add(http::FieldId::content_type, "application/problem+json");
  if (status == 405) head.fields.add("Allow", "POST");
  if (status == 415) head.fields.add("Accept-Encoding", "identity");  // RFC 9110 section 12.5.3
  handler::answer(call, buffers, std::move(head), json);
}

BatchSession::BatchSession(BatchFetch& handler, handler::Call& call)
    : handler_(handler),
      call_(call),
      deadline_(handler.services().loop, Callback::to<&BatchSession::on_deadline>(this)) {
  set_deadline(handler_.limits().max_timeout);
  call_.request_body().listen(this);
}

BatchSession::~BatchSession() {
  if (state_ == State::reading) call_.request_body().listen(nullptr);
  if (waits_for_room_) call_.response_body().listen(nullptr);
  if (aimed_) {
    const TimePoint now = handler_.services().loop.fresh_now();
    handler_.lateness().note(now - deadline, now);
  }
  handler_.delegator().remove(*this);
}

void BatchSession::set_deadline(Millis timeout) {
  arrived = call_.arrived();
  due_ = std::min(arrived + timeout, call_.deadline());
  deadline = due_ - handler_.lateness().margin(due_ - arrived);
  deadline_.start_at(deadline);
}

// ---------------------------------------------------------------- the request

void BatchSession::on_body() {
  http::BodyReader& reader = call_.request_body();
  while (!reader.empty()) {
    body_.append(reader.front().view());
    reader.consume(reader.front().size);
    if (body_.size() > longest_body(handler_.limits())) return refuse(413, "the body is too long");
  }
  if (reader.error()) return give_up(*reader.error());
  if (reader.at_end()) begin();
}

void BatchSession::stop_reading(State next) {
  call_.request_body().listen(nullptr);
  state_ = next;
}

void BatchSession::give_up(Error error) {
  stop_reading(State::over);
  deadline_.stop();
  call_.fail(std::move(error));
}

void BatchSession::refuse(int status, std::string_view why) {
  stop_reading(State::over);
  deadline_.stop();
  handler_.meters().note_request(shm::BatchResult::rejected);
  answer_problem(call_, handler_.services().buffers, status, why);
}

void BatchSession::begin() {
  Result<BatchRequest> request = parse_batch_request(body_, handler_.limits());
  if (!request.ok()) return refuse(request.error().status, request.error().message);
  stop_reading(State::fetching);
  std::string().swap(body_);
  keys = std::move(request->keys);
  read_at_ = handler_.services().loop.now();
  const BatchAnswer::Means means{call_, handler_.services().buffers.large, keys,
                                 handler_.gzip_for(call_.request()), handler_.options().max_answer};
  const Format format = preferred_format(call_.request().fields);
  answer_ = format == Format::lines       ? make_lines_answer(means)
            : format == Format::multipart ? make_multipart_answer(means)
                                          : make_json_answer(means);
  set_deadline(request->timeout);
  // Reading and parsing may have used up the time; then nothing is asked of the store.
  if (deadline > handler_.services().loop.fresh_now()) handler_.delegator().add(*this);
}

// ---------------------------------------------------------------- the answer

bool BatchSession::on_piece(size_t index, const Piece& piece) {
  handler_.note_trouble(piece);
  const bool taken = answer_->takes(piece);
  if (taken) answer_->add(index, piece);
  if (answer_->settled()) {
    finish();
  } else if (answer_->full() && !std::exchange(waits_for_room_, true)) {
    call_.response_body().listen(this);
    handler_.delegator().pause(*this);
  }
  return taken;
}

void BatchSession::on_room() {
  waits_for_room_ = false;
  call_.response_body().listen(nullptr);
  answer_->forget_bytes();
  handler_.delegator().resume(*this);
}

void BatchSession::on_deadline() {
  if (state_ == State::reading) return refuse(408, "the body did not arrive in time");
  aimed_ = true;
  finish();
}

// The answer goes out first; what is under way is cleaned up after it.
void BatchSession::finish() {
  state_ = State::over;
  deadline_.stop();
  answer_->give_up("timeout");
  auto& numbers = call_.notes().numbers;
  numbers.emplace_back("keys", keys.size());
  numbers.emplace_back("delivered", answer_->delivered());
  numbers.emplace_back("missing", answer_->missing());
  answer_->send(timing());
  report();
  if (aimed_) handler_.note_silence();
  handler_.delegator().remove(*this);
}

// "read;dur=0.1, queue;dur=0.4, fetch;dur=12.3, cache;desc=\"3 of 10\"" (W3C Server Timing).
std::string BatchSession::timing() const {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const auto millis = [](Duration duration) { return Milliseconds(duration).count(); };
  const Duration reading = read_at_ - arrived;
  const Duration queueing = std::max(queued - reading, Duration(0));
  const Duration all = handler_.services().loop.now() - arrived;
  return fmt::format(
      "read;dur={:.1f}, queue;dur={:.1f}, fetch;dur={:.1f}, cache;desc=\"{} of {}\", shared;desc=\"{}\"",
      millis(reading), millis(queueing), millis(std::max(all - reading - queueing, Duration(0))), hits,
      keys.size(), joined);
}

void BatchSession::report() {
  BatchMeters& meters = handler_.meters();
  const bool complete = answer_->missing() == 0;
  const bool timeout = answer_->count(shm::BatchResult::timeout) > 0;
  meters.note_request(complete  ? shm::BatchResult::ok
                      : timeout ? shm::BatchResult::timeout
                                : shm::BatchResult::error);
  for (auto result : {shm::BatchResult::ok, shm::BatchResult::not_found, shm::BatchResult::timeout,
                      shm::BatchResult::error, shm::BatchResult::rejected}) {
    meters.note_keys(result, answer_->count(result));
  }
  const TimePoint now = handler_.services().loop.fresh_now();
  meters.duration.observe(now - arrived);
  meters.margin.observe(std::max(due_ - now, Duration(0)));
}

}  // namespace banyan::handlers
