#include "exchange/long_lived.h"

#include <fmt/format.h>

#include "base/buffer.h"
#include "exchange/ending.h"

namespace banyan::exchange {
namespace {

// For a frame or event under way to end, and for both ends of a WebSocket to close it.
constexpr Millis kGrace{5'000};
constexpr uint64_t kShortestRetry = 500;  // milliseconds
constexpr uint64_t kLongestRetry = 5'000;

}  // namespace

LongLived::Kind LongLived::kind_of(const http::RequestHead& request, const http::ResponseHead& head) {
  if (head.status == 101) {
    return http::equal_ignoring_case(request.upgrade, "websocket") ? Kind::websocket : Kind::opaque;
  }
  const bool stream = head.status == 200 && head.body.kind == http::BodyKind::streamed &&
                      request.method != http::Method::head;
  if (!stream || !is_event_stream(head)) return Kind::none;
  return head.fields.find(http::FieldId::content_encoding) ? Kind::opaque : Kind::events;
}

LongLived::LongLived(const Surroundings& here, Kind kind, http::BodyWriter& body, Owner& owner)
    : here_(here),
      body_(body),
      owner_(owner),
      farewell_(here.loop, Callback::to<&LongLived::say_farewell>(this)),
      grace_(here.loop, Callback::to<&LongLived::end>(this)) {
  if (kind == Kind::events) tracker_ = EventTracker();
  if (kind == Kind::opaque) tracker_ = Opaque();
  body_.set_gate(this);
  here_.farewells.add(*this, kind != Kind::opaque);
}

void LongLived::follow(const std::string& rollout, const Follow::Member::Decided& decided) {
  here_.follow.add(*this, rollout, decided);
}

LongLived::~LongLived() {
  here_.follow.remove(*this);
  here_.farewells.remove(*this);
  body_.set_gate(nullptr);
}

bool LongLived::at_boundary() const {
  return std::visit([](const auto& tracker) { return tracker.at_boundary(); }, tracker_);
}

size_t LongLived::feed(std::string_view bytes) {
  return std::visit([&](auto& tracker) { return tracker.feed(bytes); }, tracker_);
}

void LongLived::leave(Cause cause) {
  if (cause_ != Cause::none) return;
  cause_ = cause;
  grace_.start(kGrace);
  if (!at_boundary()) return;
  cut_ = true;
  farewell_.schedule();
}

size_t LongLived::pass(std::string_view bytes) {
  if (writing_) return bytes.size();
  if (cut_) return 0;
  size_t passed = 0;
  while (passed < bytes.size()) {
    passed += feed(bytes.substr(passed));
    if (cause_ == Cause::none || !at_boundary()) continue;
    cut_ = true;
    farewell_.schedule();
    break;
  }
  return passed;
}

void LongLived::write(std::string_view bytes) {
  if (body_.finished()) return;
  writing_ = true;
  body_.write_copy(here_.buffers.small, bytes);
  writing_ = false;
}

void LongLived::say_farewell() {
  if (const auto* frames = std::get_if<FrameTracker>(&tracker_)) {
    // Now it is for client and server to close; a server that has begun to needs no help.
    if (frames->closing()) return;
    std::string frame;
    http::append_ws_close(http::WsClose::service_restart, cause_ == Cause::moved ? "moved" : "restarting",
                          frame);
    write(frame);
    return;
  }
  if (std::holds_alternative<EventTracker>(tracker_)) {
    const uint64_t jitter = here_.random.below(kLongestRetry - kShortestRetry);
    write(fmt::format("retry: {}\n\n", kShortestRetry + jitter));
  }
  end();
}

void LongLived::end() { owner_.end_long_lived(); }

}  // namespace banyan::exchange
