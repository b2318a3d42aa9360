//! A module's graph as data: names of weights, values of constants, order of nodes.

mod jit_net;

use jit_net::{FLOATS, Net, image};
use tch::Tensor;
use tch_ext::{
    Error,
    jit::{Constant, Graph, Module, Node, Tracing},
};

fn kinds(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.kind.as_str()).collect()
}

fn argument<'a>(graph: &'a Graph, node: &Node, index: usize) -> &'a Constant {
    &graph.constants[&node.inputs[index]]
}

fn ints(constant: &Constant) -> Vec<i64> {
    let Constant::List(elements) = constant else { panic!("{constant:?} is no list") };
    let int = |element: &Constant| if let Constant::Int(value) = element { *value } else { panic!("{element:?}") };
    elements.iter().map(int).collect()
}

#[test]
fn a_traced_network_lists_its_nodes_with_the_names_of_its_weights() {
    let net = Net::new();
    let graph = net.trace(&image(1, 16)).nodes("forward").unwrap();
    assert_eq!(graph.inputs, ["image"]);
    assert_eq!(graph.outputs.len(), 2);
    let convolutions: Vec<_> =
        graph.nodes.iter().filter(|node| node.kind == "aten::conv2d" || node.kind == "aten::_convolution").collect();
    assert_eq!(convolutions.len(), 3);
    for (node, name) in convolutions.iter().zip(["stem", "stage1.0.depthwise", "head"]) {
        for (index, part) in [(1, "weight"), (2, "bias")] {
            let expected = format!("{name}.{part}");
            let Constant::Tensor { tensor, path } = argument(&graph, node, index) else { panic!("{expected}") };
            assert_eq!(path.as_ref(), Some(&expected));
            assert_eq!(*tensor, net.parameters.iter().find(|(name, _)| *name == expected).unwrap().1);
        }
    }
    assert_eq!(ints(argument(&graph, convolutions[0], 3)), [2, 2]);
    assert_eq!(convolutions[0].inputs[0], "image");
    assert!(!kinds(&graph).iter().any(|kind| kind.starts_with("prim::Get") || kind.contains("Tuple")), "{graph:?}");
}

#[test]
fn every_value_is_an_input_a_constant_or_made_before() {
    let graph = Net::new().trace(&image(1, 16)).nodes("forward").unwrap();
    let mut known: Vec<&String> = graph.inputs.iter().chain(graph.constants.keys()).collect();
    for node in &graph.nodes {
        for input in &node.inputs {
            assert!(known.contains(&input), "{input} of {} is not there yet", node.kind);
        }
        known.extend(&node.outputs);
    }
    assert!(graph.outputs.iter().all(|output| known.contains(&output)));
    let used = |name: &String| graph.nodes.iter().any(|node| node.inputs.contains(name));
    assert!(graph.constants.keys().all(used), "a constant that nothing uses is left out");
}

#[test]
fn a_frozen_module_has_its_weights_as_constants_without_names() {
    let graph = Net::new().trace(&image(1, 16)).freeze(&[]).unwrap().nodes("forward").unwrap();
    let paths: Vec<_> = graph
        .constants
        .values()
        .filter_map(|constant| if let Constant::Tensor { path, .. } = constant { Some(path) } else { None })
        .collect();
    assert_eq!(paths.len(), 6);
    assert!(paths.iter().all(|path| path.is_none()));
}

#[test]
fn constants_of_every_kind_are_read() {
    let mut module = Module::new("Constants").unwrap();
    module
        .define(
            "def forward(self, x):\n    y = torch.clamp(x, -1.5, 6)\n    z = torch.gelu(y, approximate=\"tanh\")\n    \
             z = torch.mean(z, [1, -1], True, dtype=None)\n    return torch.cat([x, z], 0)\n",
        )
        .unwrap();
    let graph = module.nodes("forward").unwrap();
    assert_eq!(kinds(&graph), ["aten::clamp", "aten::gelu", "aten::mean", "prim::ListConstruct", "aten::cat"]);
    let value = |node: usize, index| argument(&graph, &graph.nodes[node], index);
    assert!(matches!(value(0, 1), Constant::Float(-1.5)));
    assert!(matches!(value(0, 2), Constant::Int(6)));
    assert!(matches!(value(1, 1), Constant::Text(text) if text == "tanh"));
    assert_eq!(ints(value(2, 1)), [1, -1]);
    assert!(matches!(value(2, 2), Constant::Bool(true)));
    assert!(matches!(value(2, 3), Constant::None));
}

#[test]
fn empty_lists_are_constants_and_lists_of_computed_tensors_are_nodes() {
    let mut module = Module::new("Lists").unwrap();
    module
        .define(
            "def forward(self, x):\n    y = torch.reshape(x, [])\n    return torch.einsum(\"i,i\", [y, y], path=None)\n",
        )
        .unwrap();
    let graph = module.nodes("forward").unwrap();
    assert_eq!(ints(argument(&graph, &graph.nodes[0], 1)), Vec::<i64>::new());
    assert_eq!(graph.nodes[1].kind, "prim::ListConstruct");
    assert_eq!(graph.nodes[1].inputs, [graph.nodes[0].outputs[0].as_str(), graph.nodes[0].outputs[0].as_str()]);
}

#[test]
fn branches_and_unknown_methods_are_errors() {
    let mut module = Module::new("Branch").unwrap();
    module.define("def forward(self, x):\n    if bool(x.sum() > 0):\n        x = x + 1\n    return x\n").unwrap();
    let message = module.nodes("forward").unwrap_err().to_string();
    assert!(message.contains("the graph has branches (prim::If)"), "{message}");
    let message = module.nodes("backward").unwrap_err().to_string();
    assert!(message.contains("no method 'backward'"), "{message}");
}

#[test]
fn one_weight_used_twice_keeps_one_name() {
    let weight = Tensor::rand([3, 3], FLOATS);
    let parameters = [("w".to_owned(), weight.shallow_clone())];
    let module = Tracing::new("Net").parameters(&parameters).input("x", &Tensor::rand([2, 3], FLOATS));
    let module = module.record(|x| -> Result<_, Error> { Ok(vec![x[0].matmul(&weight).matmul(&weight)]) }).unwrap();
    let graph = module.nodes("forward").unwrap();
    assert_eq!(kinds(&graph), ["aten::matmul", "aten::matmul"]);
    for node in &graph.nodes {
        assert!(matches!(argument(&graph, node, 1), Constant::Tensor { path: Some(path), .. } if path == "w"));
    }
}
