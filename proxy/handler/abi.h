/* The C interface for handlers in shared objects; installed as <banyan/handler.h>.

   A shared object exports ONE symbol, `banyan_handler`, a table of functions that Banyan calls; Banyan hands
   a table of functions to create(). See banyan-handlers(7) for a walk through, tests/support/sample_handler.c
   for a whole handler. Nothing but these tables crosses the border.

       create ─▶ open ─▶ ready ─▶ ready … ─▶ close       open to close: once for each request, many at a time
             ─▶ open ─▶ close
             ─▶ destroy

   Conventions:

   (1) Objects of Banyan are opaque pointers (banyan_call, banyan_setup, banyan_waker); objects of the plug-in
   are void*, and Banyan only hands them back.

   (2) Strings are pointer and length, not ended by NUL; they may hold any byte. `data` may be null when
   `size` is 0. What Banyan hands out stays valid as long as the object it was asked of, unless said
   otherwise. What the plug-in hands over is copied before the function returns.

   (3) Tables begin with their size. Functions are only ever added at their end, without a new version: before
   using one that is newer than version 1.0, look whether it is there: BANYAN_HAS(host, new_function). A
   change that would break a plug-in raises BANYAN_ABI_VERSION, and plug-ins of other versions are refused.

   (4) Truth values are int, 0 for false. Functions that can be refused return 0 when done and -1 when not;
   the reason is in the error log.

   (5) Threads: all functions of both tables are for the worker's loop thread, and Banyan calls the plug-in
   there. The plug-in must not block in them. waker_wake and waker_free alone may be called on any thread.
   There are several worker processes; each has its own copy of everything.

   (6) Banyan never calls the plug-in inside a call of the plug-in to Banyan.

   (7) The file stays loaded until the process ends, with its static data. Install a new version under a new
   name and change `path`. */
#ifndef BANYAN_HANDLER_H
#define BANYAN_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BANYAN_ABI_VERSION 1

#define BANYAN_HAS(table, member) \
  ((table)->size >= (size_t)((const char*)(&(table)->member + 1) - (const char*)(table)))

typedef struct banyan_call banyan_call;   /* one request; from open() to the end of close() */
typedef struct banyan_setup banyan_setup; /* a [handler.NAME]; during create() only */
typedef struct banyan_waker banyan_waker; /* see waker_new */

typedef struct banyan_text {
  const char* data;
  size_t size;
} banyan_text;

typedef struct banyan_field {
  banyan_text name;
  banyan_text value;
} banyan_field;

/* Bits of ready(). */
enum {
  BANYAN_BODY = 1,  /* after read() said BANYAN_WAIT: call it again */
  BANYAN_ROOM = 2,  /* after write() said BANYAN_FULL: go on writing */
  BANYAN_TIMER = 4, /* the timer of set_timer() fired */
  BANYAN_WOKEN = 8  /* waker_wake() was called, once or more */
};

/* What read() says. */
enum {
  BANYAN_DATA = 0,  /* there are bytes */
  BANYAN_WAIT = 1,  /* not now; ready(BANYAN_BODY) will come */
  BANYAN_END = 2,   /* the body is complete */
  BANYAN_BROKEN = 3 /* it broke off and will not be completed */
};

/* What write() says. */
enum {
  BANYAN_TAKEN = 0, /* more is welcome */
  BANYAN_FULL = 1,  /* taken, but write no more before ready(BANYAN_ROOM) */
  BANYAN_GONE = 2   /* dropped: nobody reads any more, or end() or fail() was called, or respond() was not */
};

enum { BANYAN_LOG_DEBUG, BANYAN_LOG_INFO, BANYAN_LOG_NOTICE, BANYAN_LOG_WARN, BANYAN_LOG_ERROR };

/* Banyan's side. One static table, the same for all handlers. */
typedef struct banyan_host {
  size_t size;
  uint32_t abi_version;

  /* A line in the error log. */
  void (*log)(int level, banyan_text message);

  /* ---- create() */

  /* NAME of [handler.NAME]. */
  banyan_text (*handler_name)(const banyan_setup* setup);
  /* The table `options`, in the order of the file. */
  size_t (*option_count)(const banyan_setup* setup);
  banyan_field (*option_at)(const banyan_setup* setup, size_t index);
  /* True if there is such an option; its value in *value. */
  int (*find_option)(const banyan_setup* setup, banyan_text name, banyan_text* value);
  /* Says why create() is about to return NULL; the operator sees it at `banyan -t` and at reload. */
  void (*refuse)(banyan_setup* setup, banyan_text reason);

  /* ---- the request, as the target is to see it: rewrites and field rules of the route are applied */

  banyan_text (*method)(banyan_call* call);
  banyan_text (*path)(banyan_call* call);  /* normalised, still percent-encoded */
  banyan_text (*query)(banyan_call* call); /* without '?' */
  banyan_text (*host)(banyan_call* call);
  banyan_text (*client_ip)(banyan_call* call);
  size_t (*field_count)(banyan_call* call);
  banyan_field (*field_at)(banyan_call* call, size_t index);
  /* True if there is a field of that name in any case; the first one's value in *value. */
  int (*find_field)(banyan_call* call, banyan_text name, banyan_text* value);
  /* Length of the body: 0 for none, -1 if it is not known yet. */
  int64_t (*body_size)(banyan_call* call);
  /* Milliseconds until the answer must be complete; INT64_MAX for no limit. */
  int64_t (*time_left)(banyan_call* call);

  /* ---- the request's body; left unread, it slows the client down */

  /* Looks at the next bytes: BANYAN_DATA fills *piece, which stays valid until consume(). */
  int (*read)(banyan_call* call, banyan_text* piece);
  /* Drops the first `count` bytes of the piece; no more than it has. */
  void (*consume)(banyan_call* call, size_t count);

  /* ---- the answer */

  /* The head, once. `status` 200 to 599, or 101 for a tunnel of both bodies; `body_size` -1 when it is not
     known. Content-Length, Transfer-Encoding and Connection are Banyan's business. Refused: a second head,
     another status, a field with bytes that do not belong there. */
  int (*respond)(banyan_call* call, int status, const banyan_field* fields, size_t field_count,
                 int64_t body_size);
  /* Bytes of the body. Always takes all of them, or none (BANYAN_GONE). */
  int (*write)(banyan_call* call, banyan_text bytes);
  /* The answer is complete. After this or fail() no ready() comes any more; close() does. */
  void (*end)(banyan_call* call);
  /* Gives up: an error page with `status` (400 to 599) before respond(), a broken-off answer after it. A
     rollout may let legacy answer instead. `message` is for the log. */
  void (*fail)(banyan_call* call, int status, banyan_text message);

  /* ---- time and other threads */

  /* ready(BANYAN_TIMER) once, after that time; replaces the call's earlier timer. */
  void (*set_timer)(banyan_call* call, uint64_t milliseconds);
  void (*clear_timer)(banyan_call* call);
  /* A handle by which any thread brings this call back to the loop: waker_wake() leads to
     ready(BANYAN_WOKEN). It outlives the call (waking then does nothing) and belongs to the plug-in, which
     frees it. NULL when the system has no descriptors left. */
  banyan_waker* (*waker_new)(banyan_call* call);
  void (*waker_wake)(banyan_waker* waker);
  void (*waker_free)(banyan_waker* waker);
} banyan_host;

/* The plug-in's side. All functions must be there. */
typedef struct banyan_handler_table {
  size_t size;          /* sizeof(banyan_handler_table) */
  uint32_t abi_version; /* BANYAN_ABI_VERSION */

  /* One for each [handler.NAME] and worker; also under `banyan -t`, so nothing that can be seen outside may
     start before the first open(). NULL: refused, see refuse(). `host` stays valid for ever. */
  void* (*create)(const banyan_host* host, banyan_setup* setup);
  /* A request. Returns the plug-in's state for it. NULL if end() or fail() was called within: then there is
     neither ready() nor close(), and `call` is gone. */
  void* (*open)(void* handler, banyan_call* call);
  /* Something of BANYAN_BODY … BANYAN_WOKEN happened. */
  void (*ready)(void* session, uint32_t events);
  /* The request is over, whatever ended it: answered, client gone, deadline. Exactly once; no function may be
     called with `call` any more. Threads that still work for it must hold a waker, not the call. */
  void (*close)(void* session);
  /* After the close() of the last request. Threads of the plug-in that belong to this handler must have ended
     when it returns. */
  void (*destroy)(void* handler);
} banyan_handler_table;

#if defined(__GNUC__)
#define BANYAN_EXPORT __attribute__((visibility("default")))
#else
#define BANYAN_EXPORT
#endif

/* What the shared object defines. */
extern BANYAN_EXPORT const banyan_handler_table banyan_handler;

#ifdef __cplusplus
}
#endif

#endif
