// Asks another target of the same configuration whether a request may go on, as nginx's auth_request does: a
// GET with the request's own fields. Of the answer, its status counts and how it wants to be asked.
#pragma once

#include <memory>
#include <string>

#include "base/callback.h"
#include "event/deferred.h"
#include "event/loop.h"
#include "event/timer.h"
#include "handler/handler.h"

namespace banyan::handlers {

class Subrequest final : private handler::Call, private http::BodyReader::Listener {
 public:
  // `done` is called from the loop, once. The parent outlives this; X-Original-URI and X-Original-Method tell
  // what it is about. `path` may have a query.
  Subrequest(event::Loop& loop, handler::Call& parent, std::string path, Duration timeout, Callback done);
  ~Subrequest();

  void open(handler::Handler& target);
  // Of the answer; 0 when there was none.
  int status() const { return status_; }
  // Its fields WWW-Authenticate.
  const http::Fields& challenges() const { return challenges_; }

 private:
  const http::RequestHead& request() const override { return head_; }
  const http::RequestHead& outbound() override { return head_; }
  const handler::Client& client() const override { return parent_.client(); }
  net::IpAddress local_address() const override { return parent_.local_address(); }
  // As if it came by a route "/*".
  std::string_view mount() const override { return "/"; }
  TimePoint arrived() const override { return arrived_; }
  TimePoint deadline() const override { return deadline_; }
  http::BodyReader& request_body() override { return request_pipe_.reader(); }
  void leave_continue_to_me() override {}
  void interim(const http::ResponseHead&) override {}
  void respond(const http::ResponseHead& head) override;
  void hand_over(const http::ResponseHead& head, handler::Taker& taker) override;
  http::BodyWriter& response_body() override { return response_pipe_.writer(); }
  void fail(Error error) override;
  handler::Notes& notes() override { return notes_; }

  void on_body() override;
  void finish(int status);
  void on_deadline() { finish(0); }
  void on_finished();

  handler::Call& parent_;
  Callback done_;
  std::string target_;
  http::RequestHead head_;
  TimePoint arrived_;
  TimePoint deadline_;
  handler::Notes notes_;
  http::BodyPipe request_pipe_;
  http::BodyPipe response_pipe_;
  event::Deferred finished_;
  event::Timer timer_;
  std::unique_ptr<handler::Session> session_;
  int status_ = 0;
  http::Fields challenges_;
  bool over_ = false;
};

}  // namespace banyan::handlers
