#include <array>
#include <cstring>
#include <memory>

#include "base/buffer.h"
#include "event/loop.h"
#include "http/body_pipe.h"
#include "http/h1_chunked.h"
#include "http/h1_parser.h"
#include "http/h1_writer.h"
#include "http/ws_receiver.h"
#include "micro/piece.h"

namespace banyan::bench {
namespace {

using namespace std::string_literals;

// What a browser sends.
constexpr std::string_view kRequest =
    "GET /articles/2026/11/strangler-figs?page=2&sort=new HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.org/\r\n"
    "Cookie: theme=dark; session=9f8e7d6c5b4a39281706f5e4d3c2b1a0; uid=4711081511\r\n"
    "X-Requested-With: XMLHttpRequest\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1024\r\n"
    "ETag: W/\"400-9f8e7d6c5b4a39281706f5e4d3c2b1a0\"\r\n"
    "Cache-Control: private, max-age=0\r\n"
    "Set-Cookie: session=9f8e7d6c5b4a39281706f5e4d3c2b1a0; Path=/; HttpOnly\r\n"
    "Keep-Alive: timeout=5\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";

// A text in a block, as it was read from a socket.
struct Input {
  explicit Input(std::string_view text) : size(text.size()) { std::memcpy(block.bytes(), text.data(), size); }
  BlockPool pool{BufferPools::kSmall, 4};
  BlockRef block{pool.take()};
  size_t size;
};

struct ParsedRequest : Input {
  ParsedRequest() : Input(kRequest) { parse(); }
  void parse() {
    head.clear();
    http::H1HeadProgress progress;
    keep(http::parse_request_head(block, 0, size, {}, progress, head).value());
  }
  http::RequestHead head;
};

std::function<void()> parse_request() {
  auto request = std::make_shared<ParsedRequest>();
  return [request] { request->parse(); };
}

std::function<void()> parse_response() {
  struct State : Input {
    State() : Input(kResponse) {}
    http::ResponseHead head;
  };
  auto state = std::make_shared<State>();
  return [state] {
    state->head.clear();
    http::H1HeadProgress progress;
    keep(http::parse_response_head(state->block, 0, state->size, http::H1Limits::for_responses(),
                                   http::Method::get, progress, state->head)
             .value()
             .consumed);
  };
}

std::function<void()> write_request() {
  struct State {
    ParsedRequest request;
    std::string out;
  };
  auto state = std::make_shared<State>();
  return [state] {
    state->out.clear();
    http::write_request_head(state->request.head, {}, state->out);
    keep(state->out.data());
  };
}

// One that is there, one that is not, by id and by name.
std::function<void()> find_fields() {
  auto request = std::make_shared<ParsedRequest>();
  return [request] {
    const http::Fields& fields = request->head.fields;
    keep(fields.find(http::FieldId::cookie));
    keep(fields.find(http::FieldId::authorization));
    keep(fields.find("x-requested-with"));
    keep(fields.find("x-beta"));
  };
}

std::function<void()> decode_chunks() {
  struct State {
    std::string input;
    http::ChunkedDecoder decoder;
  };
  auto state = std::make_shared<State>();
  for (size_t i = 0; i < 16; ++i) {
    http::append_chunk_head(state->input, 512);
    state->input.append(512, 'c').append("\r\n");
  }
  http::append_last_chunk(state->input, {});
  return [state] {
    state->decoder.reset();
    std::string_view rest = state->input;
    while (!rest.empty()) rest.remove_prefix(state->decoder.decode(rest).value().consumed);
  };
}

// Four slices written, then read, as in a turn of the loop.
std::function<void()> move_body() {
  struct State final : http::BodyWriter::Listener, http::BodyReader::Listener {
    State() {
      pipe.writer().listen(this);
      pipe.reader().listen(this);
    }
    void on_room() override {}
    void on_body() override {
      while (!pipe.reader().empty()) pipe.reader().consume(pipe.reader().front().size);
    }
    event::Loop loop;
    BlockPool pool{BufferPools::kSmall, 8};
    http::BodyPipe pipe{loop};
  };
  auto state = std::make_shared<State>();
  return [state] {
    for (size_t i = 0; i < 4; ++i) {
      BlockRef block = state->pool.take();
      const char* data = block.bytes();
      state->pipe.writer().write({std::move(block), data, 4096});
    }
    state->on_body();
  };
}

// A masked text message of 200 bytes in, its echo out.
std::function<void()> frame_message() {
  struct State {
    State() {
      const std::array<uint8_t, 4> mask = {0x37, 0xfa, 0x21, 0x3d};
      frame = "\x81\xfe\x00\xc8"s;
      frame.append(reinterpret_cast<const char*>(mask.data()), mask.size());
      std::string payload(200, 'w');
      http::apply_ws_mask(payload, mask, 0);
      frame += payload;
      space.resize(frame.size());
    }
    std::string frame, space, out;
    http::WsReceiver receiver{{}};
  };
  auto state = std::make_shared<State>();
  return [state] {
    std::memcpy(state->space.data(), state->frame.data(), state->frame.size());
    const http::WsReceiver::Step step = state->receiver.receive(state->space);
    state->out.clear();
    http::append_ws_frame(http::WsOpcode::text, step.payload, state->out);
    keep(state->out.data());
  };
}

}  // namespace

std::vector<Piece> http_pieces() {
  return {{"request_head", parse_request},   {"response_head", parse_response},
          {"write_request", write_request},  {"header_lookup", find_fields},
          {"chunk_decoder", decode_chunks},  {"body_pipe", move_body},
          {"websocket_frame", frame_message}};
}

}  // namespace banyan::bench
