//! Nodes to text, within limits (text/template/exec.go).

use super::{
    Host, OUTPUT_MAX, QUERIES_MAX, QuerySample, STEPS_MAX, Template, TemplateError, Value, functions,
    parse::{Command, Node, Operand, Pipe},
    printf, wrong,
};

/// What a `break` or `continue` does to those around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct State<'a> {
    template: &'a Template,
    text: &'a str,
    root: &'a Value,
    host: Counted<'a>,
    out: String,
    variables: Vec<(String, Value)>,
    steps: usize,
    depth: usize,
}

/// Counts the queries.
struct Counted<'a> {
    host: &'a mut dyn Host,
    queries: usize,
}

impl Host for Counted<'_> {
    fn query(&mut self, promql: &str) -> Result<Vec<QuerySample>, String> {
        self.queries += 1;
        if self.queries > QUERIES_MAX {
            return Err(format!("more than {QUERIES_MAX} queries"));
        }
        self.host.query(promql)
    }

    fn now(&self) -> jiff::Timestamp {
        self.host.now()
    }
}

/// Writes a template out.
pub fn render(template: &Template, data: &Value, host: &mut dyn Host) -> Result<String, TemplateError> {
    let mut variables = vec![(String::new(), data.clone())];
    for (name, field) in template.audience.variables() {
        let value = match data {
            Value::Map(map) => map.get(*field).cloned().unwrap_or(Value::Nil),
            _ => Value::Nil,
        };
        variables.push(((*name).to_owned(), value));
    }
    let mut state = State {
        template,
        text: &template.text,
        root: data,
        host: Counted { host, queries: 0 },
        out: String::new(),
        variables,
        steps: 0,
        depth: 0,
    };
    state.nodes(&template.nodes, data)?;
    Ok(state.out)
}

impl State<'_> {
    fn wrong(&self, at: usize, message: impl Into<String>) -> TemplateError {
        wrong(self.text, at, message)
    }

    fn step(&mut self) -> Result<(), TemplateError> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(self.wrong(0, format!("the template takes more than {STEPS_MAX} steps")));
        }
        if self.out.len() > OUTPUT_MAX {
            return Err(self.wrong(0, format!("the template writes more than {OUTPUT_MAX} bytes")));
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            self.step()?;
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.out.push_str(&if value == Value::Nil { "<no value>".into() } else { printf::plain(&value) });
                } else {
                    self.set(pipe, value);
                }
            }
            Node::If(cases, otherwise) => {
                let scope = self.variables.len();
                for (pipe, body) in cases {
                    let value = self.pipe(pipe, dot)?;
                    self.set(pipe, value.clone());
                    if functions::is_true(&value) {
                        let flow = self.nodes(body, dot);
                        self.variables.truncate(scope);
                        return flow;
                    }
                }
                let flow = self.nodes(otherwise, dot);
                self.variables.truncate(scope);
                return flow;
            }
            Node::With(pipe, body, otherwise) => {
                let scope = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                self.set(pipe, value.clone());
                let flow =
                    if functions::is_true(&value) { self.nodes(body, &value) } else { self.nodes(otherwise, dot) };
                self.variables.truncate(scope);
                return flow;
            }
            Node::Range(pipe, body, otherwise) => return self.range(pipe, body, otherwise, dot),
            Node::Template(at, name, pipe) => self.called(*at, name, pipe.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, body: &[Node], otherwise: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let value = self.pipe(pipe, dot)?;
        let items: Vec<(Value, Value)> = match value {
            Value::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, v)| (Value::Int(i64::try_from(i).unwrap_or(i64::MAX)), v))
                .collect(),
            Value::Map(map) => map.into_iter().map(|(k, v)| (Value::Str(k), v)).collect(),
            Value::Nil => Vec::new(),
            Value::Str(text) if text.is_empty() => Vec::new(),
            other => {
                let at = pipe.commands.first().map_or(0, |c| c.at);
                return Err(self.wrong(at, format!("range can't iterate over {}", printf::plain(&other))));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let scope = self.variables.len();
        for (key, item) in items {
            self.step()?;
            match &pipe.variables[..] {
                [] => {}
                [only] => self.variables.push((only.clone(), item.clone())),
                [first, second, ..] => {
                    self.variables.push((first.clone(), key));
                    self.variables.push((second.clone(), item.clone()));
                }
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn called(&mut self, at: usize, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<(), TemplateError> {
        let data = pipe.map(|p| self.pipe(p, dot)).transpose()?.unwrap_or(Value::Nil);
        let library = self.template.library.clone();
        let Some((text, nodes)) = library.0.get(name) else {
            return Err(self.wrong(at, format!("template {name:?} is not defined")));
        };
        self.depth += 1;
        if self.depth > super::NESTING_MAX {
            return Err(self.wrong(at, format!("template {name:?} calls itself without an end")));
        }
        let mut inner = State {
            template: self.template,
            text,
            root: self.root,
            host: Counted { host: self.host.host, queries: self.host.queries },
            out: std::mem::take(&mut self.out),
            variables: vec![(String::new(), data.clone())],
            steps: self.steps,
            depth: self.depth,
        };
        let done = inner.nodes(nodes, &data);
        let (out, steps, queries) = (inner.out, inner.steps, inner.host.queries);
        (self.out, self.steps, self.host.queries) = (out, steps, queries);
        self.depth -= 1;
        done.map(|_| ())
    }

    fn set(&mut self, pipe: &Pipe, value: Value) {
        for name in &pipe.variables {
            let known = self.variables.iter_mut().rev().find(|(n, _)| pipe.assigns && n == name);
            match known {
                Some(slot) => slot.1 = value.clone(),
                None => self.variables.push((name.clone(), value.clone())),
            }
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, TemplateError> {
        let mut last = None;
        for command in &pipe.commands {
            self.step()?;
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &Command, dot: &Value, last: Option<Value>) -> Result<Value, TemplateError> {
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Nil) };
        if let Operand::Function(name) = first {
            if matches!(name.as_str(), "and" | "or") {
                return self.early(name == "and", rest, dot, last, command.at);
            }
            let mut arguments =
                rest.iter().map(|w| self.operand(w, dot, &[], command.at)).collect::<Result<Vec<_>, _>>()?;
            arguments.extend(last);
            let called = functions::call(name, &arguments, &mut self.host, self.root);
            return called.map_err(|e| self.wrong(command.at, e));
        }
        let mut arguments =
            rest.iter().map(|w| self.operand(w, dot, &[], command.at)).collect::<Result<Vec<_>, _>>()?;
        arguments.extend(last);
        self.operand(first, dot, &arguments, command.at)
    }

    /// `and`, `or`: what comes after the answer is not evaluated.
    fn early(
        &mut self,
        and: bool,
        operands: &[Operand],
        dot: &Value,
        last: Option<Value>,
        at: usize,
    ) -> Result<Value, TemplateError> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.operand(operand, dot, &[], at)?;
            if functions::is_true(&value) != and {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn operand(
        &mut self,
        operand: &Operand,
        dot: &Value,
        arguments: &[Value],
        at: usize,
    ) -> Result<Value, TemplateError> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Constant(value) => Ok(value.clone()),
            Operand::Field(fields) => self.fields(dot.clone(), fields, arguments, at),
            Operand::Variable(name, fields) => {
                let value = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                self.fields(value.unwrap_or(Value::Nil), fields, arguments, at)
            }
            Operand::Pipe(pipe, fields) => {
                let value = self.pipe(pipe, dot)?;
                self.fields(value, fields, arguments, at)
            }
            Operand::Function(name) => {
                functions::call(name, arguments, &mut self.host, self.root).map_err(|e| self.wrong(at, e))
            }
        }
    }

    fn fields(
        &mut self,
        mut value: Value,
        fields: &[String],
        arguments: &[Value],
        at: usize,
    ) -> Result<Value, TemplateError> {
        for (i, name) in fields.iter().enumerate() {
            let given = if i + 1 == fields.len() { arguments } else { &[] };
            value = match functions::method(&value, name, given) {
                Some(result) => result.map_err(|e| self.wrong(at, format!("error calling {name}: {e}")))?,
                None => match value {
                    // As Prometheus' and Alertmanager's own option missingkey=zero has it.
                    Value::Map(mut map) => map.remove(name).unwrap_or(Value::Str(String::new())),
                    Value::Nil => return Err(self.wrong(at, format!("nil data; no entry for key {name:?}"))),
                    other => {
                        let what = printf::plain(&other);
                        return Err(self.wrong(at, format!("can't evaluate field {name} in {what}")));
                    }
                },
            };
        }
        Ok(value)
    }
}
