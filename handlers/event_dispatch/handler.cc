// event_dispatch: events to very many connections.
//
//   GET P/CHANNEL   Upgrade: websocket           ─▶ Joining ─▶ Subscriber
//                   Accept: text/event-stream    ─▶ Joining ─▶ Subscriber
//                   ?since=… &wait=…             ─▶ PollSession
//   POST P/CHANNEL, P/                           ─▶ PublishSession ─▶ Publisher
//   GET P/_channels[/NAME]                       ─▶ pages
//
// A subscriber's request ends with the answer's head; from then on its connection belongs to a Subscriber,
// which is all that is kept of it.
#include "handlers/event_dispatch/handler.h"

#include "handlers/all_handlers.h"
#include "handlers/event_dispatch/joining.h"
#include "handlers/event_dispatch/pages.h"
#include "handlers/event_dispatch/poll_session.h"
#include "handlers/event_dispatch/publish_rights.h"
#include "handlers/event_dispatch/publish_session.h"
#include "handlers/event_dispatch/refusal.h"
#include "http/accept.h"
#include "http/ws_handshake.h"
#include "shm/directory.h"

namespace banyan::handlers {
namespace {

// How long it may take until all subscribers of a log that has been replaced have gone to the new one.
constexpr Millis kMove{10'000};

uint64_t shared_bytes(const config::HandlerEntry& entry) {
  return shm::EventLog::region_size(entry.options.as<EventDispatchOptions>().shape());
}

Result<void> format_shared(const config::HandlerEntry& entry, std::span<std::byte> region) {
  return shm::EventLog::format(region, entry.options.as<EventDispatchOptions>().shape());
}

constexpr std::string_view kPageMethods = "GET, HEAD, OPTIONS";

bool accepts_event_stream(const http::Fields& fields) {
  return http::accepts_by_name(fields, "text/event-stream");
}

std::unique_ptr<handler::Session> poll(handler::Call& call, std::shared_ptr<EventHub> hub,
                                       const EventQuery& query, const Grant& grant,
                                       const http::Fields& cors) {
  auto session = std::make_unique<PollSession>(call, std::move(hub), cors);
  if (Result<void> result = session->begin(query, grant.allowed.expires); !result.ok()) {
    call.fail(std::move(result).error());
    return nullptr;
  }
  return session;
}

}  // namespace

Result<std::unique_ptr<handler::Handler>> EventDispatch::make(const config::HandlerEntry& entry,
                                                              handler::Services& services) {
  const auto& options = entry.options.as<EventDispatchOptions>();
  Result<std::unique_ptr<Rights>> rights = Rights::make(options.subscribe);
  if (!rights.ok()) return std::move(rights).error();
  const uint32_t number = services.directory.find(shm::Kind::handler, entry.name);
  Result<shm::Region> region = shm::map_region(services.segment, shm::Kind::handler, number);
  if (!region.ok()) return std::move(region).error();
  std::shared_ptr<const Rights> shared = *std::move(rights);
  auto hub = std::make_shared<EventHub>(services, *std::move(region), options, shared, number);
  return std::unique_ptr<handler::Handler>(
      new EventDispatch(entry, services, std::move(hub), std::move(shared)));
}

void EventDispatch::succeed(handler::Handler& predecessor) {
  auto& former = static_cast<EventDispatch&>(predecessor);
  former.source_.reset();
  former_ = std::move(former.former_);
  std::erase_if(former_, [](const std::shared_ptr<EventHub>& hub) { return hub->idle(); });
  if (former.hub_->log().identity() == hub_->log().identity()) {
    const EventDispatchOptions options = hub_->options();
    hub_ = former.hub_;
    hub_->apply(options, rights_);
    return;
  }
  former_.push_back(former.hub_);
  former.hub_->drain(kMove);
}

// One process reads the source: the controller, of which there is always one.
void EventDispatch::activate() {
  hub_->presence().announce_left();
  const auto& options = entry_.options.as<EventDispatchOptions>();
  if (!options.source || services_.slot != shm::kControllerSlot) return;
  const uint32_t number = services_.directory.find(shm::Kind::handler, entry_.name);
  source_ = std::make_unique<RedisSource>(services_, hub_->publisher(), *options.source, entry_.name, number,
                                          channel_name_problem);
}

void EventDispatch::drain(Duration time) {
  source_.reset();
  hub_->drain(time);
}

std::unique_ptr<handler::Session> EventDispatch::open(handler::Call& call) {
  const Result<EventPlace> place = parse_event_place(call.request().path, call.mount());
  if (!place.ok()) return refuse(call, place.error());
  switch (place->kind) {
    case EventPlace::Kind::nothing:
    case EventPlace::Kind::channel:
      return open_channel(call, place->channel);
    case EventPlace::Kind::all_pages:
    case EventPlace::Kind::one_page:
      break;
  }
  return open_page(call, *place);
}

std::unique_ptr<handler::Session> EventDispatch::open_channel(handler::Call& call,
                                                              const std::string& channel) {
  switch (call.request().method) {
    case http::Method::get:
      return subscribe(call, channel);
    case http::Method::options:
      answer_preflight(call);
      return nullptr;
    case http::Method::post:
      return publish(call, channel);
    default:
      return refuse(call, client_error(405, "use GET or POST"));
  }
}

std::unique_ptr<handler::Session> EventDispatch::publish(handler::Call& call, const std::string& channel) {
  const http::RequestHead& request = call.request();
  PublishGrant grant = grant_publishing(request, hub_->options(), *rights_, services_.loop.wall());
  const auto decorate = [this, &request](http::Fields& fields) {
    rights_->add_cors_fields(request.fields.get(http::FieldId::origin), fields);
  };
  PublishMeans means{services_, hub_->publisher(), hub_, std::move(grant), decorate};
  return channel.empty() ? open_batch_publish(call, std::move(means), hub_->options().max_batch)
                         : open_publish(call, std::move(means), channel);
}

// Fetch standard, CORS preflight.
void EventDispatch::answer_preflight(handler::Call& call) {
  const http::RequestHead& request = call.request();
  http::ResponseHead head;
  head.status = 204;
  head.fields.add("Allow", kChannelMethods);
  const size_t before = head.fields.size();
  rights_->add_cors_fields(request.fields.get(http::FieldId::origin), head.fields);
  if (head.fields.size() > before) {
    head.fields.add("Access-Control-Allow-Methods", "GET, POST");
    head.fields.add("Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
    head.fields.add("Access-Control-Max-Age", "600");
  }
  handler::answer(call, services_.buffers, std::move(head), {});
}

std::unique_ptr<handler::Session> EventDispatch::open_page(handler::Call& call, const EventPlace& place) {
  switch (call.request().method) {
    case http::Method::get:
    case http::Method::head:
      break;
    case http::Method::options: {
      http::ResponseHead head;
      head.status = 204;
      head.fields.add("Allow", kPageMethods);
      handler::answer(call, services_.buffers, std::move(head), {});
      return nullptr;
    }
    default:
      answer_refusal(call, services_.buffers, client_error(405, "use GET"), {}, kPageMethods);
      return nullptr;
  }
  const Result<Grant> grant = rights_->grant(call.request(), {}, services_.loop.wall());
  if (!grant.ok()) {
    return refuse(call, grant.error(), challenge_of(grant.error(), find_token(call.request(), {})));
  }
  const bool one = place.kind == EventPlace::Kind::one_page;
  if (!grant->may_subscribe(one ? place.channel : "*")) {
    return refuse(call, client_error(403, "the token does not allow that"), kInsufficientScope);
  }
  const auto show = [this, &call, one, channel = place.channel]() -> std::unique_ptr<handler::Session> {
    if (!one) return open_channels_page(call, hub_);
    answer_channel_page(call, *hub_, channel);
    return nullptr;
  };
  return rights_->options().authorize.empty() ? show() : authorize(call, show);
}

std::unique_ptr<handler::Session> EventDispatch::subscribe(handler::Call& call, const std::string& channel) {
  const http::RequestHead& request = call.request();
  Result<EventQuery> query = parse_event_query(request.query, channel);
  if (!query.ok()) return refuse(call, query.error());
  if (query->channels.size() > hub_->options().max_subscriptions) {
    return refuse(call, client_error(400, "too many channels"));
  }
  const bool can_listen = http::asks_for_websocket(request) || accepts_event_stream(request.fields) ||
                          query->wait || !query->since.empty();
  if (!can_listen) {
    return refuse(call,
                  client_error(426, "ask for a WebSocket, accept text/event-stream, or poll with wait"));
  }
  Result<Grant> grant = rights_->grant(request, query->access_token, services_.loop.wall());
  if (!grant.ok()) {
    return refuse(call, grant.error(), challenge_of(grant.error(), find_token(request, query->access_token)));
  }
  for (const std::string& one : query->channels) {
    if (!grant->may_subscribe(one)) {
      return refuse(call, client_error(403, "the token does not allow this channel"), kInsufficientScope);
    }
  }
  if (hub_->full()) {
    call.fail(handler_error(503, "there are as many subscribers as there may be"));
    return nullptr;
  }
  if (rights_->options().authorize.empty()) return join(call, *query, *std::move(grant));
  Grant allowed = *std::move(grant);
  allowed.authorized = query->channels;
  return authorize(call, [this, &call, query = *std::move(query), grant = std::move(allowed)] {
    return join(call, query, grant);
  });
}

std::unique_ptr<handler::Session> EventDispatch::authorize(handler::Call& call, Authorizing::Next next) {
  const std::string& authorize = rights_->options().authorize;
  const size_t slash = authorize.find('/');
  handler::Handler* target = call.find_target(std::string_view(authorize).substr(0, slash));
  if (!target) {
    call.fail(handler_error(500, "there is no target to authorize with: " + authorize));
    return nullptr;
  }
  auto session = std::make_unique<Authorizing>(services_.loop, services_.buffers, call,
                                               authorize.substr(slash), std::move(next));
  session->begin(*target);
  return session;
}

std::unique_ptr<handler::Session> EventDispatch::join(handler::Call& call, const EventQuery& query,
                                                      Grant grant) {
  if (!hub_->judged_by(*rights_)) {
    // A reload, while another target was asked.
    return refuse(call, handler_error(503, "who may subscribe has just changed, ask again"));
  }
  http::Fields cors;
  rights_->add_cors_fields(grant.origin, cors);
  const bool websocket = http::asks_for_websocket(call.request());
  if (!websocket && !accepts_event_stream(call.request().fields)) return poll(call, hub_, query, grant, cors);
  Admission admission{rights_, rights_->any() ? std::make_unique<Grant>(std::move(grant)) : nullptr};
  return websocket ? join_by_websocket(call, hub_, query, std::move(admission))
                   : join_by_event_stream(call, hub_, query, std::move(admission), cors);
}

std::unique_ptr<handler::Session> EventDispatch::refuse(handler::Call& call, const Error& error,
                                                        std::string_view challenge) {
  http::Fields challenges;
  if (!challenge.empty()) challenges.add("WWW-Authenticate", challenge);
  answer_refusal(call, services_.buffers, error, challenges);
  return nullptr;
}

handler::HandlerType event_dispatch_type() {
  const config::AnySection& section = event_dispatch_section();
  return {section.name(), section.doc(), section, EventDispatch::make, shared_bytes, format_shared};
}

}  // namespace banyan::handlers
