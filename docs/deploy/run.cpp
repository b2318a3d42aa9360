// Runs a file of `pipeline export --input nhwc` on one image, without this project: prints each output's shape and first numbers.
//
//     c++ -std=c++17 run.cpp -I$LIBTORCH/include -I$LIBTORCH/include/torch/csrc/api/include -L$LIBTORCH/lib \
//         -Wl,-rpath,$LIBTORCH/lib -ltorch_cpu -lc10 -o run
//     ./run model.pt image.rgb HEIGHT WIDTH        # also model.ptl; image.rgb: rows of R, G, B bytes
#include <torch/csrc/jit/mobile/import.h>
#include <torch/script.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

static c10::IValue run(const std::string &path, const torch::Tensor &image) {
  std::unordered_map<std::string, std::string> extras{{"model.json", ""}};
  c10::IValue output;
  if (path.size() > 4 && path.substr(path.size() - 4) == ".ptl") {
    auto module = torch::jit::_load_for_mobile(path, torch::kCPU, extras);
    output = module.forward({image});
  } else {
    auto module = torch::jit::load(path, torch::kCPU, extras);
    output = module.forward({image});
  }
  std::cerr << extras["model.json"];  // classes, size, normalisation
  return output;
}

int main(int argc, char **argv) {
  if (argc != 5) return std::cerr << "run MODEL IMAGE.rgb HEIGHT WIDTH\n", 2;
  std::ifstream file(argv[2], std::ios::binary);
  std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
  const int64_t height = std::stoll(argv[3]), width = std::stoll(argv[4]);
  if (static_cast<int64_t>(bytes.size()) != height * width * 3) return std::cerr << argv[2] << " has another size\n", 1;
  auto image = torch::from_blob(bytes.data(), {1, height, width, 3}, torch::kUInt8);
  c10::InferenceMode inference;
  auto output = run(argv[1], image);
  auto outputs = output.isTuple() ? output.toTupleRef().elements().vec() : std::vector<c10::IValue>{output};
  for (const auto &value : outputs) {
    auto tensor = value.toTensor();
    auto flat = tensor.reshape({-1}).to(torch::kDouble);
    std::cout << tensor.sizes();
    for (int64_t i = 0; i < std::min<int64_t>(5, flat.numel()); ++i) std::cout << ' ' << flat[i].item<double>();
    std::cout << '\n';
  }
}
