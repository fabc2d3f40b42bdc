/* Shared objects that Banyan must refuse, or whose mistakes it must survive; built several times:

   BROKEN_NO_SYMBOL     exports nothing
   BROKEN_VERSION=N     speaks version N
   BROKEN_SIZE=N        says that its table has N bytes
   BROKEN_NO_OPEN       has no open()
   none of them         makes mistakes, one for each path */
#include <stdlib.h>
#include <string.h>

#include "handler/abi.h"

#ifndef BROKEN_VERSION
#define BROKEN_VERSION BANYAN_ABI_VERSION
#endif
#ifndef BROKEN_SIZE
#define BROKEN_SIZE sizeof(banyan_handler_table)
#endif

#ifdef BROKEN_NO_SYMBOL

int broken_nothing_to_see(void) { return 0; }

#else

static const banyan_host* host_;

static banyan_text text(const char* string) {
  banyan_text result = {string, strlen(string)};
  return result;
}

static void* create(const banyan_host* host, banyan_setup* setup) {
  banyan_text reason;
  host_ = host;
  if (host->find_option(setup, text("refuse"), &reason)) {
    host->refuse(setup, reason);
    return NULL;
  }
  return &host_;
}

static void* open_call(void* handler, banyan_call* call) {
  const banyan_text path = host_->path(call);
  const banyan_field split = {text("X-A"), text("b\r\nSet-Cookie: c=d")};
  int refused = 0;
  (void)handler;
  if (memcmp(path.data, "/silent", 7) == 0) return NULL;
  if (memcmp(path.data, "/failed", 7) == 0) {
    host_->fail(call, 504, text("no luck"));
    host_->fail(call, 503, text("again"));
    return NULL;
  }
  refused += host_->write(call, text("too early")) == BANYAN_GONE;
  refused += host_->respond(call, 99, NULL, 0, 0) == -1;
  refused += host_->respond(call, 200, &split, 1, 0) == -1;
  host_->respond(call, 200, NULL, 0, -1);
  refused += host_->respond(call, 200, NULL, 0, 0) == -1;
  host_->write(call, text(refused == 4 ? "four mistakes" : "a mistake went through"));
  host_->end(call);
  host_->end(call);
  host_->write(call, text("too late"));
  return NULL;
}

static void ready(void* session, uint32_t events) {
  (void)session;
  (void)events;
  abort(); /* no session was ever returned */
}

static void close_call(void* session) {
  (void)session;
  abort();
}

static void destroy(void* handler) { (void)handler; }

const banyan_handler_table banyan_handler = {
    .size = BROKEN_SIZE,
    .abi_version = BROKEN_VERSION,
    .create = create,
#ifndef BROKEN_NO_OPEN
    .open = open_call,
#endif
    .ready = ready,
    .close = close_call,
    .destroy = destroy,
};

#ifdef BROKEN_NO_OPEN
void* (*const broken_unused)(void*, banyan_call*) = open_call;
#endif

#endif
