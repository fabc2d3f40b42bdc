#include "handlers/event_dispatch/joining.h"

#include "handlers/event_dispatch/refusal.h"
#include "http/ws_handshake.h"

namespace banyan::handlers {
namespace {

constexpr std::string_view kProtocol = "banyan.v1";

class Joining final : public handler::Session, public handler::Taker {
 public:
  Joining(std::shared_ptr<EventHub> hub, const Form& form, Admission admission)
      : hub_(std::move(hub)),
        judge_(std::move(admission.judge)),
        subscriber_(std::make_unique<Subscriber>(*hub_, form)) {
    subscriber_->set_grant(std::move(admission.grant));
  }

  Result<void> subscribe(const std::vector<std::string>& channels, const std::vector<Resume>& since) {
    for (size_t i = 0; i < channels.size(); ++i) {
      Result<void> result = subscriber_->subscribe(channels[i], i < since.size() ? since[i] : Resume());
      if (!result.ok()) return result;
    }
    return {};
  }

  void take(handler::Connection connection) override {
    hub_->adopt(std::move(subscriber_), std::move(connection), *judge_);
  }

 private:
  std::shared_ptr<EventHub> hub_;  // outlives the subscriber
  std::shared_ptr<const Rights> judge_;
  std::unique_ptr<Subscriber> subscriber_;
};

std::unique_ptr<handler::Session> join(handler::Call& call, std::shared_ptr<EventHub> hub, const Form& form,
                                       const EventQuery& query, const std::vector<Resume>& since,
                                       Admission admission, const http::ResponseHead& head) {
  auto joining = std::make_unique<Joining>(std::move(hub), form, std::move(admission));
  if (Result<void> result = joining->subscribe(query.channels, since); !result.ok()) {
    call.fail(std::move(result).error());
    return nullptr;
  }
  call.notes().numbers.emplace_back("channels", query.channels.size());
  call.hand_over(head, *joining);
  return joining;
}

// Ours if the client knows it. Otherwise the first that it offers: with none a browser would go away, and a
// plain WebSocket carries whatever was published.
std::string choose_protocol(const http::RequestHead& request) {
  if (http::offers_subprotocol(request, kProtocol)) return std::string(kProtocol);
  std::string chosen;
  http::each_list_element(http::joined_values(request.fields, "Sec-WebSocket-Protocol"),
                          [&](std::string_view offered) {
                            if (chosen.empty() && !offered.starts_with(kTokenProtocol)) chosen = offered;
                          });
  return chosen;
}

}  // namespace

std::unique_ptr<handler::Session> join_by_websocket(handler::Call& call, std::shared_ptr<EventHub> hub,
                                                    const EventQuery& query, Admission admission) {
  const http::RequestHead& request = call.request();
  Result<std::string> accept = http::accept_websocket(request);
  if (!accept.ok()) {
    answer_refusal(call, hub->services().buffers, accept.error());
    return nullptr;
  }
  http::ResponseHead head;
  head.status = 101;
  head.fields.add(http::FieldId::upgrade, "websocket");
  head.fields.add(http::FieldId::connection, "Upgrade");
  head.fields.add_copy("Sec-WebSocket-Accept", *accept);
  const std::string protocol = choose_protocol(request);
  if (!protocol.empty()) head.fields.add_copy("Sec-WebSocket-Protocol", protocol);
  Form form;
  form.dress = protocol == kProtocol ? Dress::envelope : Dress::plain;
  const auto deflate =
      http::choose_ws_deflate(http::joined_values(request.fields, "Sec-WebSocket-Extensions"));
  if (deflate && hub->options().deflate) {
    form.deflate_bits = deflate->server_window_bits;
    head.fields.add_copy("Sec-WebSocket-Extensions", http::ws_deflate_answer(*deflate));
  }
  return join(call, std::move(hub), form, query, query.since, std::move(admission), head);
}

std::unique_ptr<handler::Session> join_by_event_stream(handler::Call& call, std::shared_ptr<EventHub> hub,
                                                       const EventQuery& query, Admission admission,
                                                       const http::Fields& cors) {
  http::ResponseHead head;
  head.body = {http::BodyKind::streamed, 0};
  head.fields.add(http::FieldId::content_type, "text/event-stream");
  head.fields.add("Cache-Control", "no-store");
  for (const http::Field& field : cors) head.fields.add(field);
  const http::Field* last = call.request().fields.find("Last-Event-ID");
  return join(call, std::move(hub), {Dress::sse, 0}, query,
              last ? parse_last_event_id(last->value) : query.since, std::move(admission), head);
}

}  // namespace banyan::handlers
