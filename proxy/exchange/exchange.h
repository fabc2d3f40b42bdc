// One request, from its head to its log line.
//
//   begin ── admission ──▶ refused: answer
//     │
//     ├── no route, redirect, reply, a script's status: answer
//     │
//     └── target.open(call) ──▶ Session ── respond() ──▶ answer's head, field rules ──▶ stream
//                                  │
//                                  └─ fail() ──▶ native and safe to repeat: once more with legacy
//                                            └─▶ else an error page, or a broken-off answer
//   on_stream_end: counters, access log, the end
//   on_handed_over: the same, and a handler has the connection
//
// The session is destroyed from the loop or from on_stream_end, never inside one of its own calls.
#pragma once

#include <memory>
#include <optional>

#include "event/timer.h"
#include "exchange/access_line.h"
#include "exchange/admission.h"
#include "exchange/front.h"
#include "exchange/handed_over.h"
#include "exchange/identity.h"
#include "exchange/long_lived.h"
#include "exchange/site.h"
#include "exchange/time_limit.h"
#include "handler/handler.h"
#include "http/inbound.h"
#include "route/decide.h"

namespace banyan::exchange {

class Exchange final : public http::StreamUser, private handler::Call, private LongLived::Owner {
 public:
  // `front` and `stream` outlive the exchange's last call; `site` is held until the exchange is destroyed.
  Exchange(Front& front, std::shared_ptr<const Site> site, http::InboundStream& stream);
  ~Exchange() override;

  // Decides and opens the target; may respond at once.
  void begin();
  void on_stream_end(http::StreamEnd end) override;
  void on_handed_over(std::unique_ptr<net::Stream> connection, std::string received) override;

 private:
  // handler::Call
  const http::RequestHead& request() const override { return stream_.head(); }
  const http::RequestHead& outbound() override;
  const handler::Client& client() const override { return identity_.client(); }
  net::IpAddress local_address() const override { return stream_.local_address(); }
  std::string_view mount() const override;
  TimePoint arrived() const override { return arrived_; }
  TimePoint deadline() const override { return limit_.due(); }
  http::BodyReader& request_body() override;
  void leave_continue_to_me() override { continue_left_to_session_ = true; }
  void interim(const http::ResponseHead& head) override { stream_.interim(head); }
  void respond(const http::ResponseHead& head) override;
  void hand_over(const http::ResponseHead& head, handler::Taker& taker) override;
  http::BodyWriter& response_body() override { return stream_.response_body(); }
  void fail(Error error) override;
  handler::Handler* find_target(std::string_view name) override;
  handler::Retry retry() const override;
  handler::Notes& notes() override { return notes_; }

  void end_long_lived() override;

  const route::Route& route() const { return *decision_.route; }
  bool refused();
  bool answered_here();
  void open(const route::Endpoint& endpoint);
  void limit_time();
  void tell_time_left();
  void prepare_fallback();
  bool may_fall_back(bool nothing_sent) const;
  bool fall_back(shm::FallbackReason reason, bool nothing_sent = false);
  void answer_error(const Error& error);
  void answer(int status, std::string_view content_type, std::string_view body, http::Fields& fields);
  void finish_head(http::ResponseHead& head);
  std::optional<HandedOver::Followed> followed() const;
  void watch_long_lived(const http::ResponseHead& head);
  void on_deadline();
  void on_deferred();
  void count(http::StreamEnd end);
  void count_for_rollout(http::StreamEnd end, std::optional<Duration> duration);
  void log(http::StreamEnd end);
  bool logged() const;
  LongLived::Cause ended_by() const { return long_lived_ ? long_lived_->cause() : LongLived::Cause::none; }

  Front& front_;
  std::shared_ptr<const Site> site_;
  http::InboundStream& stream_;
  Identity identity_;
  TimePoint arrived_;
  TimeLimit limit_;
  route::Decision decision_;
  uint64_t random_;
  shm::InFlight::Ticket ticket_;
  std::unique_ptr<handler::Session> session_;
  std::unique_ptr<http::RequestHead> outbound_;  // borrowed from the front
  handler::Notes notes_;
  std::unique_ptr<LongLived> long_lived_;
  handler::Taker* taker_ = nullptr;  // gets the connection when the head has gone out
  std::optional<Error> error_;       // why it was not answered as it should
  event::Timer deadline_timer_;
  event::Deferred deferred_;
  int status_ = 0;
  bool session_over_ = false;  // it failed: destroy it in on_deferred()
  bool falling_back_ = false;
  bool fell_back_ = false;
  std::string_view fallback_reason_;  // why, or why not
  bool body_wanted_ = false;
  bool continue_left_to_session_ = false;
  bool refused_ = false;
  bool counted_for_rollout_ = false;
};

}  // namespace banyan::exchange
