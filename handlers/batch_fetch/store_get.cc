#include "handlers/batch_fetch/store_get.h"

#include <fmt/format.h>

#include <utility>

#include "event/loop.h"

namespace banyan::handlers {
namespace {

// Of an answer that is no object only the code is read.
constexpr size_t kLongestComplaint = 16 * 1024;

constexpr size_t kSpares = 256;

bool is_object(int status) { return status >= 200 && status < 300; }

}  // namespace

void GetParts::reset() {
  pipe.reset();
  head.clear();
  path.clear();
}

StoreGet::StoreGet(handler::Services& services, Connections& connections, GetSpares& spares,
                   size_t max_object, Listener& listener)
    : services_(services),
      connections_(connections),
      spares_(spares),
      max_object_(max_object),
      listener_(listener),
      notice_(services.loop, Callback::to<&StoreGet::on_notice>(this)) {
  if (spares_.empty()) {
    parts_ = std::make_unique<GetParts>(services.loop);
  } else {
    parts_ = std::move(spares_.back());
    spares_.pop_back();
  }
}

StoreGet::~StoreGet() {
  let_go();
  if (spares_.size() >= kSpares) return;
  parts_->reset();
  spares_.push_back(std::move(parts_));
}

void StoreGet::begin(bool fresh) {
  began_ = services_.loop.now();
  Result<std::unique_ptr<http::H1Outbound>> taken = fresh ? connections_.take_new() : connections_.take();
  if (!taken.ok()) {
    problem_ = std::move(taken).error();
    return notice_.schedule();
  }
  connection_ = *std::move(taken);
  reused_ = connection_->exchanges() > 0;
  parts_->pipe.reader().listen(this);
  connection_->start(parts_->head, nullptr, parts_->pipe.writer(), *this);
}

void StoreGet::on_notice() { tell(failed_object(problem_)); }

void StoreGet::let_go() {
  if (!connection_) return;
  parts_->pipe.reader().listen(nullptr);
  head_ = nullptr;
  connection_->release();
  connections_.give_back(std::move(connection_));
}

void StoreGet::on_response(const http::ResponseHead& head) {
  head_ = &head;
  if (is_object(head.status) && head.body.kind == http::BodyKind::sized && head.body.size > max_object_) {
    problem_ = upstream_error(502, "http_response_body_size",
                              fmt::format("the object has {} bytes", head.body.size));
    notice_.schedule();  // not now: the connection is in the middle of its head
  }
}

// False when there is more than is allowed.
bool StoreGet::drain() {
  http::BodyReader& reader = parts_->pipe.reader();
  while (!reader.empty()) {
    const Slice& slice = reader.front();
    if (is_object(head_->status) || body_.size() < kLongestComplaint) body_.add(slice);
    reader.consume(slice.size);
  }
  return !is_object(head_->status) || body_.size() <= max_object_;
}

void StoreGet::on_body() {
  if (!head_ || notice_.scheduled() || drain()) return;
  tell(failed_object(
      upstream_error(502, "http_response_body_size", fmt::format("more than {} bytes", max_object_))));
}

void StoreGet::on_exchange_end() {
  notice_.cancel();
  if (!drain()) {
    return tell(failed_object(upstream_error(502, "http_response_body_size",
                                             fmt::format("the object has {} bytes", body_.size()))));
  }
  const bool conditional = head_->status == 304 && parts_->head.fields.find("If-None-Match") != nullptr;
  tell(read_object(*head_, std::move(body_), conditional, services_.loop.wall()));
}

void StoreGet::on_failure(const Error& error) {
  notice_.cancel();
  Object object = failed_object(error);
  object.unsent = reused_ && !head_ && error.type == "connection_terminated";
  tell(std::move(object));
}

void StoreGet::tell(Object object) {
  let_go();
  listener_.on_object(*this, std::move(object));
}

}  // namespace banyan::handlers
