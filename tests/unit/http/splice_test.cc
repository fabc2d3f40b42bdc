// Bodies that go from socket to socket within the kernel: what comes out is what went in, in its order, and
// who has to see bytes gets to see them.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "event/loop.h"
#include "http/h1_receiver.h"
#include "http/h1_sender.h"
#include "unit/net/sockets.h"

namespace banyan::http {
namespace {

constexpr size_t kMany = 3'000'000;

std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26 + i / 4096 % 5);
  return text;
}

struct Nobody final : net::Stream::Listener, BodyReader::Listener {
  void on_readable() override {}
  void on_writable() override {}
  void on_body() override {}
};

// A body's way: from a server's socket through a receiver, a pipe and a sender to a client's socket.
class SpliceTest : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    buffers_.pipes.allow(4);
    for (net::Stream* stream : {from_.get(), to_.get()}) ASSERT_TRUE(stream->start(nobody_));
    body_.reader().listen(&nobody_, &buffers_.pipes);
  }

  // What the server sends that its socket takes; the rest is for the next time.
  void push(std::string& text) {
    const ssize_t count = ::send(server_.peer.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) text.erase(0, static_cast<size_t>(count));
  }

  // Receives what there is, spliced if that can be done.
  void receive() {
    while (!receiver_.done() && !body_.writer().full()) {
      if (const auto spliced = receiver_.splice(*from_)) {
        if (spliced->status != net::IoStatus::ok) return;
        continue;
      }
      BlockRef block = buffers_.large.take();
      const net::IoResult read = from_->read({block.bytes(), block.capacity()});
      if (read.status != net::IoStatus::ok) return;
      copied_ += read.bytes;
      ASSERT_TRUE(receiver_.receive(block, block.bytes(), read.bytes));
    }
  }

  // The beginning of a body, so that its pipe is not empty.
  void receive_some() {
    std::string sent = pattern(200'000);
    receiver_.start(Framing::sized, kMany, body_.writer());
    push(sent);
    ASSERT_TRUE(net::run_until(loop_, [&] {
      receive();
      return !body_.reader().empty();
    }));
  }

  // The whole way for `sent`; gives what the client gets.
  std::string pass(std::string sent, Framing framing) {
    const size_t size = sent.size();
    receiver_.start(Framing::sized, size, body_.writer());
    sender_.start(framing, size, &body_.reader());
    std::string got;
    EXPECT_TRUE(net::run_until(loop_, [&] {
      push(sent);
      receive();
      const SendStatus status = sender_.flush(*to_);
      got += client_.receive();
      const std::string_view last = framing == Framing::chunked ? "0\r\n\r\n" : std::string_view();
      return status == SendStatus::done && got.size() >= size && got.ends_with(last);
    }));
    return got;
  }

  event::Loop loop_;
  Nobody nobody_;
  net::SocketPair server_ = net::make_tcp_pair();
  net::SocketPair client_ = net::make_tcp_pair();
  std::unique_ptr<net::Stream> from_ = net::make_plain_stream(loop_, server_.local.release());
  std::unique_ptr<net::Stream> to_ = net::make_plain_stream(loop_, client_.local.release());
  BufferPools buffers_;
  BodyPipe body_{loop_};
  H1Receiver receiver_{Fault::upstream};
  H1Sender sender_;
  size_t copied_ = 0;
};

TEST_F(SpliceTest, ALargeBodyIsNotCopied) {
  const std::string sent = pattern(kMany);
  EXPECT_EQ(pass(sent, Framing::sized), sent);
  EXPECT_EQ(buffers_.pipes.spliced(), kMany);
  EXPECT_EQ(copied_, 0u);
  EXPECT_EQ(sender_.body_bytes_sent(), kMany);
  EXPECT_EQ(body_.total(), kMany);
}

TEST_F(SpliceTest, AChunkGoesAroundWhatIsInTheKernel) {
  const std::string sent = pattern(kMany);
  std::string got = pass(sent, Framing::chunked);
  EXPECT_EQ(buffers_.pipes.spliced(), kMany);
  std::string body;
  while (!got.empty()) {
    size_t end = 0;
    const size_t size = std::stoul(got, &end, 16);
    body += got.substr(end + 2, size);
    got.erase(0, end + 2 + size + 2);
    if (size == 0) break;
  }
  EXPECT_EQ(got, "");
  EXPECT_EQ(body, sent);
}

TEST_F(SpliceTest, BytesThatWereReadGoFirst) {
  const std::string sent = pattern(kMany);
  body_.writer().write_copy(buffers_.small, sent.substr(0, 1000));
  sender_.text() = "head:";
  sender_.start(Framing::sized, kMany, &body_.reader());
  receiver_.start(Framing::sized, kMany - 1000, body_.writer());
  std::string rest = sent.substr(1000), got;
  EXPECT_TRUE(net::run_until(loop_, [&] {
    push(rest);
    receive();
    sender_.flush(*to_);
    got += client_.receive();
    return got.size() >= kMany + 5;
  }));
  EXPECT_TRUE(got == "head:" + sent);
  EXPECT_EQ(buffers_.pipes.spliced(), kMany - 1000);
}

TEST_F(SpliceTest, ASmallBodyIsCopied) {
  const std::string sent = pattern(20'000);
  EXPECT_EQ(pass(sent, Framing::sized), sent);
  EXPECT_EQ(buffers_.pipes.spliced(), 0u);
}

TEST_F(SpliceTest, WithoutPipesItIsCopied) {
  buffers_.pipes.allow(0);
  const std::string sent = pattern(kMany);
  EXPECT_EQ(pass(sent, Framing::sized), sent);
  EXPECT_EQ(copied_, kMany);
}

TEST_F(SpliceTest, AReaderThatTakesNoneGetsSlices) {
  body_.reader().listen(&nobody_);
  const std::string sent = pattern(kMany);
  EXPECT_EQ(pass(sent, Framing::sized), sent);
  EXPECT_EQ(buffers_.pipes.spliced(), 0u);
}

struct Everything final : BodyWriter::Gate {
  size_t pass(std::string_view bytes) override { return bytes.size(); }
};

TEST_F(SpliceTest, WhoLooksAtTheBytesSeesThem) {
  Everything gate;
  body_.writer().set_gate(&gate);
  receiver_.start(Framing::sized, kMany, body_.writer());
  EXPECT_FALSE(receiver_.splice(*from_));
  body_.writer().set_gate(nullptr);
  EXPECT_TRUE(receiver_.splice(*from_));
}

TEST_F(SpliceTest, WhatIsKeptForASecondReadingIsRead) {
  body_.keep_for_replay(1000);
  receiver_.start(Framing::sized, kMany, body_.writer());
  EXPECT_FALSE(receiver_.splice(*from_));
  // More was consumed than could be kept: nobody will read it again.
  body_.writer().write_copy(buffers_.small, pattern(2000));
  body_.reader().consume(2000);
  EXPECT_TRUE(receiver_.splice(*from_));
}

TEST_F(SpliceTest, ABodyOverTheLimitIsReadAndRefused) {
  receiver_.limit(kMany - 1);
  receiver_.start(Framing::sized, kMany, body_.writer());
  EXPECT_FALSE(receiver_.splice(*from_));
  receiver_.limit(kMany);
  EXPECT_TRUE(receiver_.splice(*from_));
}

TEST_F(SpliceTest, FullUntilTheReaderHasThemAll) {
  receive_some();
  EXPECT_TRUE(body_.writer().full());
  EXPECT_TRUE(body_.reader().slices().empty());
  ASSERT_NE(body_.reader().spliced(), nullptr);
  EXPECT_EQ(body_.reader().spliced()->held, body_.reader().size());
  EXPECT_FALSE(body_.can_rewind());
}

TEST_F(SpliceTest, APipeComesBackEmpty) {
  buffers_.pipes.allow(1);
  receive_some();
  EXPECT_EQ(buffers_.pipes.take(), nullptr) << "the only one is in use";
  body_.reader().abandon();
  EXPECT_FALSE(body_.writer().full());
  KernelPipeRef next = buffers_.pipes.take();
  ASSERT_NE(next, nullptr);
  char byte;
  EXPECT_LT(read(next->read_end, &byte, 1), 0) << "bytes of another body";
}

TEST_F(SpliceTest, WhereItIsNotPossibleItIsTriedOnce) {
  // The kernel can splice from no such thing.
  std::unique_ptr<net::Stream> odd = net::make_plain_stream(loop_, eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  receiver_.start(Framing::sized, kMany, body_.writer());
  EXPECT_FALSE(receiver_.splice(*odd));
  EXPECT_FALSE(receiver_.splice(*from_));
  buffers_.pipes.tidy();
  EXPECT_FALSE(receiver_.splice(*from_));
}

TEST_F(SpliceTest, TheEndOfTheServerBreaksTheBodyOff) {
  receiver_.start(Framing::sized, kMany, body_.writer());
  server_.peer.reset();
  net::IoResult last;
  ASSERT_TRUE(net::run_until(loop_, [&] {
    last = receiver_.splice(*from_).value();
    return last.status != net::IoStatus::again;
  }));
  EXPECT_EQ(last.status, net::IoStatus::end);
  EXPECT_FALSE(receiver_.end_of_input());
}

TEST_F(SpliceTest, AClientThatIsGoneIsAnError) {
  std::string sent = pattern(kMany);
  receiver_.start(Framing::sized, kMany, body_.writer());
  sender_.start(Framing::sized, kMany, &body_.reader());
  client_.peer.reset();
  SendStatus status = SendStatus::waiting;
  EXPECT_TRUE(net::run_until(loop_, [&] {
    push(sent);
    receive();
    status = sender_.flush(*to_);
    return status == SendStatus::error;
  }));
}

}  // namespace
}  // namespace banyan::http
