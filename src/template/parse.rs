//! Text to nodes (text/template/parse). What is not supported is refused here, not when the alert fires.

mod operands;

use super::{Library, NESTING_MAX, TEXT_MAX, TemplateError, Value, functions, wrong};

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// As it stands.
    Text(String),
    /// `{{ pipeline }}`
    Action(Pipe),
    /// `if`, `else if`, `else`.
    If(Vec<(Pipe, Vec<Node>)>, Vec<Node>),
    /// `with`, `else`.
    With(Pipe, Vec<Node>, Vec<Node>),
    /// `range`, `else`.
    Range(Pipe, Vec<Node>, Vec<Node>),
    /// `template "name" pipeline`
    Template(usize, String, Option<Pipe>),
    /// `break`
    Break,
    /// `continue`
    Continue,
}

/// Commands, each given the result of the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipe {
    /// Variables that it sets, without the dollar.
    pub variables: Vec<String>,
    /// They are there already (`=`).
    pub assigns: bool,
    /// In order.
    pub commands: Vec<Command>,
}

/// A function or value with its arguments, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Byte in the text.
    pub at: usize,
    /// The first is what is called.
    pub operands: Vec<Operand>,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `.`
    Dot,
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A`
    Variable(String, Vec<String>),
    /// A function's name.
    Function(String),
    /// A constant.
    Constant(Value),
    /// `(pipeline).A`
    Pipe(Pipe, Vec<String>),
}

/// Holds what was read.
pub struct Parsed {
    /// The template itself.
    pub nodes: Vec<Node>,
    /// What it defines.
    pub defined: Vec<(String, Vec<Node>)>,
}

/// Reads a text; `variables` are there from the beginning.
pub fn parse(text: &str, variables: &[&str]) -> Result<Parsed, TemplateError> {
    if text.len() > TEXT_MAX {
        return Err(wrong(text, 0, format!("the template is longer than {TEXT_MAX} bytes")));
    }
    let mut parser = Parser {
        text,
        at: 0,
        trim: false,
        variables: variables.iter().map(|v| (*v).to_owned()).chain([String::new()]).collect(),
        defined: Vec::new(),
        depth: 0,
        ranges: 0,
    };
    let (nodes, end) = parser.block(true)?;
    match end {
        End::Text => Ok(Parsed { nodes, defined: parser.defined }),
        End::Closed(at) => Err(wrong(text, at, "unexpected {{end}}")),
        End::Else(at) => Err(wrong(text, at, "unexpected {{else}}")),
    }
}

/// Checks that every `template` names one that is there.
pub fn check_names(text: &str, nodes: &[Node], library: &Library) -> Result<(), TemplateError> {
    for node in nodes {
        match node {
            Node::Template(at, name, _) if !library.has(name) => {
                let near = functions::nearest(name, library.names());
                return Err(wrong(text, *at, format!("template {name:?} is not defined{near}")));
            }
            Node::If(cases, otherwise) => {
                cases.iter().try_for_each(|(_, body)| check_names(text, body, library))?;
                check_names(text, otherwise, library)?;
            }
            Node::With(_, body, otherwise) | Node::Range(_, body, otherwise) => {
                check_names(text, body, library)?;
                check_names(text, otherwise, library)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What ended a block.
enum End {
    Text,
    Closed(usize),
    Else(usize),
}

/// Functions, and what may be a method.
fn takes_arguments(operand: &Operand) -> bool {
    match operand {
        Operand::Function(_) | Operand::Field(_) => true,
        Operand::Variable(_, fields) | Operand::Pipe(_, fields) => !fields.is_empty(),
        Operand::Constant(_) | Operand::Dot => false,
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The last action ended with `-}}`.
    trim: bool,
    /// In scope; the empty one is `$`.
    variables: Vec<String>,
    defined: Vec<(String, Vec<Node>)>,
    depth: usize,
    ranges: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, message: impl Into<String>) -> TemplateError {
        wrong(self.text, self.at, message)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Nodes up to `end`, `else` or the end of the text. After `else` the parser stands behind that word.
    fn block(&mut self, top: bool) -> Result<(Vec<Node>, End), TemplateError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.wrong(format!("blocks are nested more than {NESTING_MAX} deep")));
        }
        let mut nodes = Vec::new();
        let end = loop {
            let Some(open) = self.rest().find("{{") else {
                self.literal(self.text.len(), false, &mut nodes);
                if !top {
                    return Err(self.wrong("unexpected end of the template: an {{end}} is missing"));
                }
                break End::Text;
            };
            let begins = self.at + open;
            let inner = &self.text[begins + 2..];
            let trims = inner.starts_with('-') && inner[1..].starts_with(char::is_whitespace);
            self.literal(begins, trims, &mut nodes);
            self.at = begins + 2 + usize::from(trims);
            self.trim = false;
            if self.comment()? {
                continue;
            }
            self.blank();
            let word_at = self.at;
            match self.keyword() {
                "end" => {
                    self.at += 3;
                    self.close()?;
                    break End::Closed(word_at);
                }
                "else" => {
                    self.at += 4;
                    break End::Else(word_at);
                }
                _ => nodes.extend(self.action()?),
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// Text up to a byte, white space cut where the markers say so.
    fn literal(&mut self, until: usize, trims: bool, nodes: &mut Vec<Node>) {
        let mut text = &self.text[self.at..until];
        if self.trim {
            text = text.trim_start();
        }
        if trims {
            text = text.trim_end();
        }
        if !text.is_empty() {
            nodes.push(Node::Text(text.to_owned()));
        }
        self.at = until;
    }

    /// `{{/* … */}}`
    fn comment(&mut self) -> Result<bool, TemplateError> {
        let inner = self.rest().trim_start();
        if !inner.starts_with("/*") {
            return Ok(false);
        }
        let Some(end) = self.rest().find("*/") else { return Err(self.wrong("unclosed comment")) };
        self.at += end + 2;
        self.close()?;
        Ok(true)
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// The closing braces.
    fn close(&mut self) -> Result<(), TemplateError> {
        self.blank();
        if let Some(rest) = self.rest().strip_prefix("-}}") {
            self.trim = true;
            self.at = self.text.len() - rest.len();
            return Ok(());
        }
        if self.rest().starts_with("}}") {
            self.at += 2;
            return Ok(());
        }
        let what: String = self.rest().chars().take(10).collect();
        Err(self.wrong(if what.is_empty() {
            "unclosed action".into()
        } else {
            format!("unexpected {what:?} in an action")
        }))
    }

    fn keyword(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        &rest[..end]
    }

    fn action(&mut self) -> Result<Option<Node>, TemplateError> {
        let word = self.keyword();
        let at = self.at;
        match word {
            "if" | "with" | "range" => {
                self.at += word.len();
                self.control(word).map(Some)
            }
            "define" => {
                self.at += word.len();
                let name = self.name()?;
                self.close()?;
                self.define(name)?;
                Ok(None)
            }
            "block" => {
                self.at += word.len();
                let name = self.name()?;
                let pipe = self.pipe()?;
                self.close()?;
                self.define(name.clone())?;
                Ok(Some(Node::Template(at, name, Some(pipe))))
            }
            "template" => {
                self.at += word.len();
                let name = self.name()?;
                self.blank();
                let done = self.rest().starts_with("}}") || self.rest().starts_with("-}}");
                let pipe = if done { None } else { Some(self.pipe()?) };
                self.close()?;
                Ok(Some(Node::Template(at, name, pipe)))
            }
            "break" | "continue" => {
                if self.ranges == 0 {
                    return Err(self.wrong(format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                self.at += word.len();
                self.close()?;
                Ok(Some(if word == "break" { Node::Break } else { Node::Continue }))
            }
            _ => {
                let pipe = self.pipe()?;
                self.close()?;
                Ok(Some(Node::Action(pipe)))
            }
        }
    }

    fn define(&mut self, name: String) -> Result<(), TemplateError> {
        // A template of its own sees only its own variables, and `$`.
        let outer = std::mem::replace(&mut self.variables, vec![String::new()]);
        let ranges = std::mem::replace(&mut self.ranges, 0);
        let (nodes, end) = self.block(false)?;
        (self.variables, self.ranges) = (outer, ranges);
        match end {
            End::Closed(_) => {
                self.defined.push((name, nodes));
                Ok(())
            }
            End::Else(at) => Err(wrong(self.text, at, "unexpected {{else}} in define")),
            End::Text => Err(self.wrong("unexpected end of the template")),
        }
    }

    fn control(&mut self, word: &str) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let pipe = self.pipe()?;
        self.close()?;
        self.ranges += usize::from(word == "range");
        let (body, end) = self.block(false)?;
        self.ranges -= usize::from(word == "range");
        let mut otherwise = Vec::new();
        let mut more = Vec::new();
        if let End::Else(_) = end {
            self.blank();
            if matches!(self.keyword(), "if" | "with") {
                // `else if`: the inner one takes the {{end}}.
                let inner = self.keyword();
                self.at += inner.len();
                more.push(self.control(inner)?);
            } else {
                self.close()?;
                let (nodes, end) = self.block(false)?;
                if let End::Else(at) = end {
                    return Err(wrong(self.text, at, "expected {{end}}; found a second {{else}}"));
                }
                otherwise = nodes;
            }
        }
        self.variables.truncate(scope);
        otherwise.extend(more);
        Ok(match word {
            "if" => Node::If(vec![(pipe, body)], otherwise),
            "with" => Node::With(pipe, body, otherwise),
            _ => Node::Range(pipe, body, otherwise),
        })
    }

    fn pipe(&mut self) -> Result<Pipe, TemplateError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.wrong(format!("brackets are nested more than {NESTING_MAX} deep")));
        }
        self.blank();
        let (variables, assigns) = self.declaration()?;
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(commands.is_empty())?);
            self.blank();
            match self.rest().strip_prefix('|') {
                Some(_) => self.at += 1,
                None => break,
            }
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(Pipe { variables, assigns, commands })
    }

    /// `$x :=`, `$i, $x :=`, `$x =`.
    fn declaration(&mut self) -> Result<(Vec<String>, bool), TemplateError> {
        let start = self.at;
        let mut names = Vec::new();
        while self.rest().starts_with('$') {
            self.at += 1;
            let name = self.keyword().to_owned();
            self.at += name.len();
            names.push(name);
            self.blank();
            if self.rest().starts_with(',') && names.len() < 2 {
                self.at += 1;
                self.blank();
                continue;
            }
            if self.rest().starts_with(":=") {
                self.at += 2;
                return Ok((names, false));
            }
            if self.rest().starts_with('=') {
                if let Some(name) = names.iter().find(|n| !self.variables.contains(n)) {
                    return Err(self.wrong(format!("undefined variable \"${name}\"")));
                }
                self.at += 1;
                return Ok((names, true));
            }
            break;
        }
        self.at = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self, first: bool) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        self.blank();
        let at = self.at;
        loop {
            let before = self.at;
            self.blank();
            if self.rest().starts_with("}}") || self.rest().starts_with("-}}") || self.rest().starts_with(['|', ')']) {
                break;
            }
            if before == self.at && !operands.is_empty() {
                let what: String = self.rest().chars().take(10).collect();
                return Err(self.wrong(format!("unexpected {what:?}")));
            }
            operands.push(self.operand()?);
        }
        match operands.first() {
            None => Err(self.wrong("missing value for command")),
            Some(first) if operands.len() > 1 && !takes_arguments(first) => {
                Err(wrong(self.text, at, "can't give arguments to what is no function"))
            }
            Some(Operand::Constant(_) | Operand::Dot) if !first => {
                Err(wrong(self.text, at, "a non-function in a pipeline"))
            }
            Some(_) => Ok(Command { at, operands }),
        }
    }
}
