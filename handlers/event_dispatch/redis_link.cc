// hiredis calls back from the loop's events, and, while a connection is given up, inside the very call that
// gives it up; by then the context knows of no State any more.
#include "handlers/event_dispatch/redis_link.h"

#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <optional>

#include "event/deferred.h"
#include "event/loop.h"

namespace banyan::handlers {
namespace {

RedisReply to_reply(const redisReply& from) {
  RedisReply reply;
  switch (from.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      reply.kind = from.type == REDIS_REPLY_ERROR ? RedisReply::Kind::error : RedisReply::Kind::text;
      reply.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = RedisReply::Kind::number;
      reply.number = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = RedisReply::Kind::list;
      for (size_t i = 0; i < from.elements; ++i) reply.list.push_back(to_reply(*from.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

struct RedisLink::State {
  State(event::Loop& loop, Listener& listener)
      : listener(listener), gone_notice(loop, Callback::to<&State::tell_gone>(this)) {}
  ~State() { let_go(); }

  void connect(event::Loop& loop, const config::Address& address) {
    context = address.kind == config::Address::Kind::unix_socket
                  ? redisAsyncConnectUnix(address.host.c_str())
                  : redisAsyncConnect(address.host.c_str(), address.port);
    if (!context) return gone("no memory");
    if (context->err) return gone(context->errstr);
    context->data = this;
    if (redisLibeventAttach(context, loop.base()) != REDIS_OK) return gone("no memory");
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
  }

  void gone(std::string reason) {
    let_go();
    why = std::move(reason);
    gone_notice.schedule();
  }
  void let_go() {
    if (!context) return;
    redisAsyncContext* old = context;
    context = nullptr;
    old->data = nullptr;
    redisAsyncFree(old);
  }
  void tell_gone() { listener.on_gone(why); }

  // hiredis frees the context itself after these two.
  static void on_connect(const redisAsyncContext* context, int status) {
    auto* self = static_cast<State*>(context->data);
    if (!self) return;
    if (status == REDIS_OK) return self->listener.on_connected();
    self->context = nullptr;
    self->gone(context->errstr);
  }
  static void on_disconnect(const redisAsyncContext* context, int) {
    auto* self = static_cast<State*>(context->data);
    if (!self) return;
    self->context = nullptr;
    self->gone(context->errstr[0] ? context->errstr : "the connection was closed");
  }
  // Without a reply the connection is about to end, which will be told.
  static void on_reply(redisAsyncContext* context, void* reply, void*) {
    auto* self = static_cast<State*>(context->data);
    if (self && reply) self->listener.on_reply(to_reply(*static_cast<redisReply*>(reply)));
  }

  Listener& listener;
  redisAsyncContext* context = nullptr;
  std::string why;
  event::Deferred gone_notice;
};

RedisLink::RedisLink(event::Loop& loop, const config::Address& address, Listener& listener)
    : state_(std::make_unique<State>(loop, listener)) {
  state_->connect(loop, address);
}

RedisLink::~RedisLink() = default;

void RedisLink::send(const std::vector<std::string>& command) {
  if (!state_->context) return;
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (const std::string& text : command) {
    texts.push_back(text.data());
    sizes.push_back(text.size());
  }
  redisAsyncCommandArgv(state_->context, State::on_reply, nullptr, static_cast<int>(command.size()),
                        texts.data(), sizes.data());
}

}  // namespace banyan::handlers
