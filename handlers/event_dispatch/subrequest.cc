#include "handlers/event_dispatch/subrequest.h"

#include <algorithm>

namespace banyan::handlers {

Subrequest::Subrequest(event::Loop& loop, handler::Call& parent, std::string path, Duration timeout,
                       Callback done)
    : parent_(parent),
      done_(done),
      target_(std::move(path)),
      arrived_(loop.now()),
      deadline_(std::min(arrived_ + timeout, parent.deadline())),
      request_pipe_(loop),
      response_pipe_(loop),
      finished_(loop, Callback::to<&Subrequest::on_finished>(this)),
      timer_(loop, Callback::to<&Subrequest::on_deadline>(this)) {
  const http::RequestHead& original = parent_.outbound();
  head_.method = http::Method::get;
  head_.method_text = "GET";
  const size_t mark = target_.find('?');
  head_.target = target_;
  head_.path = std::string_view(target_).substr(0, mark);
  head_.has_query = mark != std::string::npos;
  if (head_.has_query) head_.query = std::string_view(target_).substr(mark + 1);
  head_.host = original.host;
  const http::FieldSet not_these = {http::FieldId::content_type, http::FieldId::content_encoding,
                                    http::FieldId::expect};
  http::add_end_to_end_fields(original.fields, head_.fields, not_these);
  // The client's own words about it are none.
  for (const char* name : {"X-Original-URI", "X-Original-Method"}) head_.fields.remove(name);
  head_.fields.add("X-Original-URI", parent_.request().target);
  head_.fields.add("X-Original-Method", parent_.request().method_text);
  request_pipe_.writer().end();
  response_pipe_.reader().listen(this);
  timer_.start_at(deadline_);
}

Subrequest::~Subrequest() {
  session_.reset();
  response_pipe_.reader().listen(nullptr);
}

void Subrequest::open(handler::Handler& target) { session_ = target.open(*this); }

void Subrequest::respond(const http::ResponseHead& head) {
  if (over_) return;
  for (const http::Field& field : head.fields) {
    if (!http::equal_ignoring_case(field.name, "WWW-Authenticate")) continue;
    challenges_.add_copy("WWW-Authenticate", field.value);
  }
  finish(head.status);
}

void Subrequest::hand_over(const http::ResponseHead&, handler::Taker&) { finish(0); }

void Subrequest::fail(Error error) { finish(error.fault == Fault::client ? error.status : 0); }

// Nobody wants it, but a connection whose answer was read to its end can be used again.
void Subrequest::on_body() {
  http::BodyReader& reader = response_pipe_.reader();
  while (!reader.empty()) reader.consume(reader.front().size);
}

void Subrequest::finish(int status) {
  if (over_) return;
  over_ = true;
  status_ = status;
  timer_.stop();
  finished_.schedule();
}

void Subrequest::on_finished() { done_(); }

}  // namespace banyan::handlers
