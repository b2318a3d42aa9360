// A method's graph, passed to Rust piece by piece.
#include "jit.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>

using tch_ext::guarded;
using tch_ext::IValue;
using tch_ext::Text;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;

namespace prim = torch::jit::prim;

namespace {

// The numbers in `src/jit/graph.rs`. A node begins with its kind, a constant with its name; its value follows.
enum Piece : int { kInput, kOutput, kNode, kNodeInput, kNodeOutput, kConstant };

// The numbers in `src/jit/graph.rs`. A list is followed by its elements; a tensor with a path is in the module there.
enum Tag : int { kNone, kBool, kInt, kFloat, kText, kTensor, kList };

struct Scalar {
  int tag;
  // Bool, int, or the length of a list.
  int64_t whole;
  double real;
  // A text, or the path of a tensor.
  Text text;
  // Owned by Rust then.
  at::Tensor *tensor;
};

using PieceSink = void (*)(void *graph, int piece, Text text);
using ScalarSink = void (*)(void *graph, Scalar scalar);

Text text_of(const std::string &text) { return Text{text.data(), text.size()}; }

// Walks a graph without branches. Constants and attributes of the module are known values; other nodes are passed on,
// each after the constants that it uses first.
class Walk {
 public:
  Walk(void *graph, PieceSink piece, ScalarSink scalar) : graph_(graph), piece_(piece), scalar_(scalar) {}

  void method(const Module &module, const torch::jit::Graph &graph) {
    const auto inputs = graph.inputs();
    known_[inputs.at(0)] = module._ivalue();
    for (size_t i = 1; i < inputs.size(); ++i) emit(kInput, inputs[i]->debugName());
    for (const Node *node : graph.nodes()) visit(*node);
    for (const Value *output : graph.outputs()) leave(output);
  }

 private:
  void visit(const Node &node) {
    if (!node.blocks().empty()) {
      throw std::runtime_error(std::string("the graph has branches (") + node.kind().toQualString() + ")");
    }
    if (node.kind() == prim::Constant) {
      known_[node.output()] = torch::jit::toIValue(node.output()).value();
    } else if (node.kind() == prim::GetAttr) {
      attribute(node);
    } else if (node.kind() == prim::TupleConstruct) {
      tuples_[node.output()] = &node;
    } else if (node.kind() == prim::ListConstruct && all_known(node)) {
      c10::impl::GenericList list(c10::AnyType::get());
      for (const Value *input : node.inputs()) list.push_back(known_.at(input));
      known_[node.output()] = list;
    } else {
      pass_on(node);
    }
  }

  void attribute(const Node &node) {
    const Value *owner = node.input();
    const auto known = known_.find(owner);
    if (known == known_.end() || !known->second.isObject()) {
      throw std::runtime_error("the graph reads an attribute of something that it computes");
    }
    const std::string &name = node.s(torch::jit::attr::name);
    const std::string &prefix = paths_[owner];
    paths_[node.output()] = prefix.empty() ? name : prefix + "." + name;
    known_[node.output()] = known->second.toObjectRef().getAttr(name);
  }

  bool all_known(const Node &node) const {
    for (const Value *input : node.inputs()) {
      if (known_.count(input) == 0) return false;
    }
    return true;
  }

  void pass_on(const Node &node) {
    for (const Value *input : node.inputs()) announce(input);
    emit(kNode, node.kind().toQualString());
    for (const Value *input : node.inputs()) emit(kNodeInput, input->debugName());
    for (const Value *output : node.outputs()) emit(kNodeOutput, output->debugName());
  }

  // The outputs of a tuple, at any nesting, one by one.
  void leave(const Value *output) {
    const auto tuple = tuples_.find(output);
    if (tuple == tuples_.end()) {
      announce(output);
      emit(kOutput, output->debugName());
    } else {
      for (const Value *element : tuple->second->inputs()) leave(element);
    }
  }

  void announce(const Value *value) {
    const auto known = known_.find(value);
    if (known == known_.end() || !announced_.insert(value).second) return;
    emit(kConstant, value->debugName());
    emit_value(known->second, paths_[value]);
  }

  void emit_value(const IValue &value, const std::string &path) {
    Scalar scalar{kNone, 0, 0.0, Text{nullptr, 0}, nullptr};
    std::string text;
    if (value.isTensor() && value.toTensor().defined()) {
      scalar.tag = kTensor;
      scalar.text = text_of(path);
      scalar.tensor = new at::Tensor(value.toTensor());
    } else if (value.isBool()) {
      scalar.tag = kBool;
      scalar.whole = value.toBool();
    } else if (value.isInt()) {
      scalar.tag = kInt;
      scalar.whole = value.toInt();
    } else if (value.isDouble()) {
      scalar.tag = kFloat;
      scalar.real = value.toDouble();
    } else if (value.isString() || value.isDevice()) {
      text = value.isString() ? value.toStringRef() : value.toDevice().str();
      scalar.tag = kText;
      scalar.text = text_of(text);
    } else if (value.isList()) {
      scalar.tag = kList;
      scalar.whole = static_cast<int64_t>(value.toListRef().size());
    } else if (!value.isNone() && !value.isTensor()) {
      throw std::runtime_error("the graph has a constant of type " + value.tagKind());
    }
    scalar_(graph_, scalar);
    if (scalar.tag != kList) return;
    for (const IValue &element : value.toListRef()) emit_value(element, std::string());
  }

  void emit(Piece piece, const std::string &text) { piece_(graph_, piece, text_of(text)); }

  void *graph_;
  PieceSink piece_;
  ScalarSink scalar_;
  std::unordered_map<const Value *, IValue> known_;
  std::unordered_map<const Value *, std::string> paths_;
  std::unordered_map<const Value *, const Node *> tuples_;
  std::unordered_set<const Value *> announced_;
};

}  // namespace

extern "C" char *tch_ext_jit_nodes(const Module *module, Text method, PieceSink piece, ScalarSink scalar,
                                   void *graph) noexcept {
  return guarded([&] {
    Walk(graph, piece, scalar).method(*module, *tch_ext::inlined_graph(*module, method.str()));
  });
}
