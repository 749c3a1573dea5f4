//! What of a template can't run though it reads well: counts of arguments, expressions and queries that are written out,
//! fields that what they are asked of does not have.
//!
//! Nothing is evaluated. What is not known (the data of a `define`, a variable that is set anew) is not doubted. Go finds
//! these when the template runs, which is when the alert fires.

use super::{
    Audience, TemplateError, Value, functions,
    parse::{Command, Node, Operand, Pipe},
    wrong,
};
use crate::model::re2;

/// What kind of thing a value is, as far as it can be told.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Unknown,
    Text,
    Number,
    Bool,
    /// Labels, annotations: any key may be asked for.
    Labels,
    /// Its fields, and no others.
    Fields(&'static [(&'static str, Kind)]),
    List(&'static Kind),
}

/// Methods of label sets and lists (`functions::method`), which no type here has as fields.
const METHODS: [&str; 6] = ["Firing", "Names", "Remove", "Resolved", "SortedPairs", "Values"];

/// `query`'s answer holds these (Prometheus, template/template.go).
const SAMPLE: Kind = Kind::Fields(&[("Labels", Kind::Labels), ("Value", Kind::Number)]);

/// `.` of a rule's template (Prometheus, template.AlertTemplateData).
const OF_RULE: Kind = Kind::Fields(&[
    ("Labels", Kind::Labels),
    ("ExternalLabels", Kind::Labels),
    ("ExternalURL", Kind::Text),
    ("Value", Kind::Number),
]);

/// An alert of a message (Alertmanager, template.Alert).
const ALERT: Kind = Kind::Fields(&[
    ("Status", Kind::Text),
    ("Labels", Kind::Labels),
    ("Annotations", Kind::Labels),
    ("StartsAt", Kind::Unknown),
    ("EndsAt", Kind::Unknown),
    ("GeneratorURL", Kind::Text),
    ("Fingerprint", Kind::Text),
]);

/// `.` of a message's template (Alertmanager, template.Data), and what is ours.
const OF_MESSAGE: Kind = Kind::Fields(&[
    ("Receiver", Kind::Text),
    ("Status", Kind::Text),
    ("NotificationReason", Kind::Text),
    ("Alerts", Kind::List(&ALERT)),
    ("GroupLabels", Kind::Labels),
    ("CommonLabels", Kind::Labels),
    ("CommonAnnotations", Kind::Labels),
    ("RouteLabels", Kind::Labels),
    ("ExternalURL", Kind::Text),
    ("Incident", Kind::Unknown),
]);

impl Kind {
    fn field(&self, name: &str) -> Result<Kind, String> {
        match self {
            Kind::Unknown => Ok(Kind::Unknown),
            Kind::Labels | Kind::List(_) | Kind::Fields(_) if METHODS.contains(&name) => Ok(match (self, name) {
                (Kind::List(_), "Firing" | "Resolved") => self.clone(),
                (Kind::Labels, "Remove") => Kind::Labels,
                _ => Kind::Unknown,
            }),
            Kind::Labels => Ok(Kind::Text),
            Kind::Fields(fields) => match fields.iter().find(|(n, _)| *n == name) {
                Some((_, kind)) => Ok(kind.clone()),
                None => {
                    let near = functions::nearest(name, fields.iter().map(|(n, _)| *n));
                    let known: Vec<&str> = fields.iter().map(|(n, _)| *n).collect();
                    Err(format!("there is no field {name}{near} (known here: {})", known.join(", ")))
                }
            },
            Kind::Text => Err(format!("can't evaluate field {name} of a text")),
            Kind::Number => Err(format!("can't evaluate field {name} of a number")),
            Kind::Bool => Err(format!("can't evaluate field {name} of true or false")),
            Kind::List(_) => Err(format!("can't evaluate field {name} of a list: range over it")),
        }
    }

    /// Of each element, where one is ranged over.
    fn element(&self) -> Kind {
        match self {
            Kind::List(element) => (*element).clone(),
            Kind::Labels => Kind::Text,
            _ => Kind::Unknown,
        }
    }
}

/// What is known at a place.
struct Doubter<'a> {
    text: &'a str,
    query: &'a dyn Fn(&str) -> Result<(), String>,
    variables: Vec<(String, Kind)>,
    found: Vec<TemplateError>,
}

/// Everything in a template that can't run; `query` says what is wrong with a query's text.
pub fn of_template(
    text: &str,
    nodes: &[Node],
    audience: Audience,
    query: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<TemplateError> {
    let root = match audience {
        Audience::Rule => OF_RULE,
        Audience::Message => OF_MESSAGE,
    };
    let mut variables = vec![(String::new(), root.clone())];
    variables.extend(
        audience.variables().iter().map(|(name, field)| ((*name).into(), root.field(field).unwrap_or(Kind::Unknown))),
    );
    walk(text, nodes, root, variables, query)
}

/// The same of a `define`, whose data nobody knows.
pub fn of_defined(text: &str, nodes: &[Node], query: &dyn Fn(&str) -> Result<(), String>) -> Vec<TemplateError> {
    walk(text, nodes, Kind::Unknown, vec![(String::new(), Kind::Unknown)], query)
}

fn walk(
    text: &str,
    nodes: &[Node],
    dot: Kind,
    variables: Vec<(String, Kind)>,
    query: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<TemplateError> {
    let mut doubter = Doubter { text, query, variables, found: Vec::new() };
    doubter.nodes(nodes, &dot);
    doubter.found
}

impl Doubter<'_> {
    fn doubt(&mut self, at: usize, checked: Result<(), String>) {
        if let Err(message) = checked {
            self.found.push(wrong(self.text, at, message));
        }
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Kind) {
        let scope = self.variables.len();
        nodes.iter().for_each(|node| self.node(node, dot));
        self.variables.truncate(scope);
    }

    fn node(&mut self, node: &Node, dot: &Kind) {
        let scope = self.variables.len();
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            // Its variables live on to the end of the block.
            Node::Action(pipe) => {
                self.set(pipe, dot);
                return;
            }
            Node::Template(_, _, pipe) => drop(pipe.as_ref().map(|pipe| self.pipe(pipe, dot))),
            Node::If(cases, otherwise) => {
                for (pipe, body) in cases {
                    self.set(pipe, dot);
                    self.nodes(body, dot);
                }
                self.nodes(otherwise, dot);
            }
            Node::With(pipe, body, otherwise) => {
                let kind = self.set(pipe, dot);
                self.nodes(body, &kind);
                self.nodes(otherwise, dot);
            }
            Node::Range(pipe, body, otherwise) => {
                let element = self.pipe(pipe, dot).element();
                let key = (pipe.variables.len() == 2).then_some(Kind::Unknown);
                let kinds = key.into_iter().chain([element.clone()]);
                self.variables.extend(pipe.variables.iter().cloned().zip(kinds));
                self.nodes(body, &element);
                self.nodes(otherwise, dot);
            }
        }
        self.variables.truncate(scope);
    }

    fn set(&mut self, pipe: &Pipe, dot: &Kind) -> Kind {
        let kind = self.pipe(pipe, dot);
        for name in &pipe.variables {
            let known = self.variables.iter_mut().rev().find(|(n, _)| pipe.assigns && n == name);
            match known {
                // Perhaps set in a branch only.
                Some(slot) => slot.1 = Kind::Unknown,
                None => self.variables.push((name.clone(), kind.clone())),
            }
        }
        kind
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Kind) -> Kind {
        let mut kind = None;
        for command in &pipe.commands {
            kind = Some(self.command(command, dot, kind.is_some()));
        }
        kind.unwrap_or(Kind::Unknown)
    }

    /// A command; `piped`: with the result of the one before as its last argument.
    fn command(&mut self, command: &Command, dot: &Kind, piped: bool) -> Kind {
        let Some((first, rest)) = command.operands.split_first() else { return Kind::Unknown };
        for operand in rest {
            self.operand(operand, dot, command.at);
        }
        let Operand::Function(name) = first else { return self.operand(first, dot, command.at) };
        self.called(name, rest, rest.len() + usize::from(piped), command.at)
    }

    fn called(&mut self, name: &str, written: &[Operand], given: usize, at: usize) -> Kind {
        self.doubt(at, functions::count(name, given));
        let literal = match written.first() {
            Some(Operand::Constant(Value::Str(text))) => Some(text),
            _ => None,
        };
        match (name, literal) {
            ("match" | "reReplaceAll", Some(expression)) => self.doubt(at, re2::anywhere(expression).map(drop)),
            ("query", Some(text)) => self.doubt(at, (self.query)(text)),
            _ => {}
        }
        match name {
            "query" | "sortByLabel" => Kind::List(&SAMPLE),
            "first" => SAMPLE,
            "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "not" | "match" => Kind::Bool,
            "len" => Kind::Number,
            "print" | "printf" | "println" | "humanize" | "reReplaceAll" | "toUpper" | "toLower" | "title" => {
                Kind::Text
            }
            _ => Kind::Unknown,
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Kind, at: usize) -> Kind {
        match operand {
            Operand::Dot => dot.clone(),
            Operand::Constant(Value::Str(_)) => Kind::Text,
            Operand::Constant(Value::Int(_) | Value::Float(_)) => Kind::Number,
            Operand::Constant(_) => Kind::Unknown,
            Operand::Function(name) => self.called(name, &[], 0, at),
            Operand::Field(fields) => self.fields(dot.clone(), fields, at),
            Operand::Variable(name, fields) => {
                let known = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, kind)| kind.clone());
                self.fields(known.unwrap_or(Kind::Unknown), fields, at)
            }
            Operand::Pipe(pipe, fields) => {
                let kind = self.pipe(pipe, dot);
                self.fields(kind, fields, at)
            }
        }
    }

    fn fields(&mut self, mut kind: Kind, fields: &[String], at: usize) -> Kind {
        for name in fields {
            kind = match kind.field(name) {
                Ok(kind) => kind,
                Err(message) => {
                    self.doubt(at, Err(message));
                    return Kind::Unknown;
                }
            };
        }
        kind
    }
}
