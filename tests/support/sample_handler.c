/* A whole handler for Banyan in C, as an example and for the tests of the interface.

       [handler.sample]
       type = "shared_object"
       path = "/usr/lib/banyan/sample_handler.so"
       options = { greeting = "Good day" }

   cc -shared -fPIC -o sample_handler.so sample_handler.c

   POST /upper         the body in upper case, while it arrives; neither side is buffered
   GET /later?MS       an answer after that many milliseconds
   GET /thread         an answer computed by a thread
   anything else       "Good day", answered within open() */
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "handler/abi.h" /* <banyan/handler.h> where Banyan is installed */

static banyan_text text(const char* string) {
  banyan_text result = {string, strlen(string)};
  return result;
}

static int equal(banyan_text a, const char* b) {
  return a.size == strlen(b) && memcmp(a.data, b, a.size) == 0;
}

/* ---------------------------------------------------------------- life */

typedef struct sample {
  const banyan_host* host;
  char greeting[64];
} sample;

typedef struct job job;

typedef struct session {
  const sample* handler;
  banyan_call* call;
  void (*go_on)(struct session* self, uint32_t events);
  job* job; /* of /thread */
} session;

static void* create(const banyan_host* host, banyan_setup* setup) {
  banyan_text greeting = text("hello");
  host->find_option(setup, text("greeting"), &greeting);
  sample* self = calloc(1, sizeof *self);
  if (!self || greeting.size >= sizeof self->greeting) {
    host->refuse(setup, text("options.greeting is longer than 63 bytes"));
    free(self);
    return NULL;
  }
  self->host = host;
  memcpy(self->greeting, greeting.data, greeting.size);
  return self;
}

static void destroy(void* handler) { free(handler); }

static void respond_text(const sample* handler, banyan_call* call, int status, banyan_text body) {
  const banyan_field field = {text("Content-Type"), text("text/plain")};
  handler->host->respond(call, status, &field, 1, (int64_t)body.size);
  handler->host->write(call, body);
  handler->host->end(call);
}

/* ---------------------------------------------------------------- /upper */

static int write_upper(session* self, banyan_text piece) {
  char buffer[4096];
  size_t count = piece.size < sizeof buffer ? piece.size : sizeof buffer;
  for (size_t i = 0; i < count; ++i) buffer[i] = (char)toupper((unsigned char)piece.data[i]);
  const banyan_text bytes = {buffer, count};
  int outcome = self->handler->host->write(self->call, bytes);
  self->handler->host->consume(self->call, count);
  return outcome;
}

static void go_on_upper(session* self, uint32_t events) {
  const banyan_host* host = self->handler->host;
  banyan_text piece;
  (void)events;
  for (;;) {
    switch (host->read(self->call, &piece)) {
      case BANYAN_DATA:
        if (write_upper(self, piece) != BANYAN_TAKEN) return; /* BANYAN_ROOM or close() will come */
        break;
      case BANYAN_END:
        host->end(self->call);
        return;
      case BANYAN_BROKEN:
        host->fail(self->call, 400, text("the request broke off"));
        return;
      default:
        return; /* BANYAN_WAIT: BANYAN_BODY will come */
    }
  }
}

static void begin_upper(session* self) {
  const banyan_host* host = self->handler->host;
  host->respond(self->call, 200, NULL, 0, host->body_size(self->call));
  self->go_on = go_on_upper;
  go_on_upper(self, 0);
}

/* ---------------------------------------------------------------- /later */

static void go_on_later(session* self, uint32_t events) {
  if (events & BANYAN_TIMER) respond_text(self->handler, self->call, 200, text("later"));
}

static void begin_later(session* self) {
  banyan_text query = self->handler->host->query(self->call);
  uint64_t milliseconds = 0;
  for (size_t i = 0; i < query.size && isdigit((unsigned char)query.data[i]); ++i) {
    milliseconds = milliseconds * 10 + (uint64_t)(query.data[i] - '0');
  }
  self->handler->host->set_timer(self->call, milliseconds);
  self->go_on = go_on_later;
}

/* ---------------------------------------------------------------- /thread

   The thread never sees the call, which may end at any time: it works on a job of its own, which belongs to
   both, and wakes the loop. */

struct job {
  atomic_int owners;
  const banyan_host* host;
  banyan_waker* waker;
  uint64_t result;
};

static void release(job* work) {
  if (atomic_fetch_sub(&work->owners, 1) != 1) return;
  work->host->waker_free(work->waker);
  free(work);
}

static void* compute(void* argument) {
  job* work = argument;
  uint64_t a = 0, b = 1;
  for (int i = 0; i < 90; ++i) {
    uint64_t next = a + b;
    a = b;
    b = next;
  }
  work->result = a;
  work->host->waker_wake(work->waker);
  release(work);
  return NULL;
}

static void go_on_thread(session* self, uint32_t events) {
  if (!(events & BANYAN_WOKEN)) return;
  respond_text(self->handler, self->call, 200,
               self->job->result == 2880067194370816120u ? text("2880067194370816120") : text("wrong"));
}

static int begin_thread(session* self) {
  const banyan_host* host = self->handler->host;
  pthread_t thread;
  job* work = calloc(1, sizeof *work);
  if (!work) return 0;
  work->host = host;
  work->waker = host->waker_new(self->call);
  atomic_init(&work->owners, 2);
  if (!work->waker || pthread_create(&thread, NULL, compute, work) != 0) {
    if (work->waker) host->waker_free(work->waker);
    free(work);
    return 0;
  }
  pthread_detach(thread);
  self->job = work;
  self->go_on = go_on_thread;
  return 1;
}

/* ---------------------------------------------------------------- requests */

static void* open_call(void* handler, banyan_call* call) {
  const sample* self = handler;
  const banyan_text path = self->host->path(call);
  if (!equal(path, "/upper") && !equal(path, "/later") && !equal(path, "/thread")) {
    respond_text(self, call, 200, text(self->greeting));
    return NULL;
  }
  session* state = calloc(1, sizeof *state);
  if (!state) {
    self->host->fail(call, 503, text("out of memory"));
    return NULL;
  }
  state->handler = self;
  state->call = call;
  if (equal(path, "/upper")) {
    begin_upper(state);
  } else if (equal(path, "/later")) {
    begin_later(state);
  } else if (!begin_thread(state)) {
    self->host->fail(call, 503, text("no thread"));
    free(state);
    return NULL;
  }
  return state;
}

static void ready(void* state, uint32_t events) {
  session* self = state;
  self->go_on(self, events);
}

static void close_call(void* state) {
  session* self = state;
  if (self->job) release(self->job);
  free(self);
}

const banyan_handler_table banyan_handler = {
    .size = sizeof(banyan_handler_table),
    .abi_version = BANYAN_ABI_VERSION,
    .create = create,
    .open = open_call,
    .ready = ready,
    .close = close_call,
    .destroy = destroy,
};
