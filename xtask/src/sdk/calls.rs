//! Writes the calls: a type for each operation, and the client's method that makes a call of it.

use heck::{ToPascalCase, ToSnakeCase};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::operations::{Body, Operation, Page, Parameter};

/// Writes the module `calls`, with the operations as types.
pub fn operations(operations: &[Operation]) -> TokenStream {
    let types = operations.iter().map(|operation| {
        let name = format_ident!("{}", operation.type_name());
        let prose = format!("{}.", heading(operation));
        let about = about(operation);
        let error = format_ident!("{}", operation.error_name());
        let body = schema(operation.body.as_ref().map(|body| &body.schema));
        let answer = schema(operation.answer.as_ref());
        let empty = operation.answer.is_none();
        let empty = empty.then(|| quote! { const EMPTY: bool = true; });
        let page = operation.page.as_ref().map(|page| paged(&name, page));
        quote! {
            #[doc = #prose]
            #[derive(Debug)]
            pub enum #name {}
            impl Operation for #name {
                type Body = #body;
                type Answer = #answer;
                type Error = types::#error;
                const ABOUT: &'static About = &#about;
                #empty
            }
            #page
        }
    });
    quote! {
        pub mod calls {
            //! The operations as types, for what says which call it is: `Call<calls::Login>`.
            use super::types;
            use crate::call::{About, Credential, Operation};
            use reqwest::Method;
            #(#types)*
        }
    }
}

fn schema(name: Option<&String>) -> TokenStream {
    match name {
        Some(name) => {
            let name = format_ident!("{}", name.to_pascal_case());
            quote! { types::#name }
        }
        None => quote! { () },
    }
}

fn heading(operation: &Operation) -> String {
    format!("`{} {}`", operation.method, operation.path)
}

fn about(operation: &Operation) -> TokenStream {
    let Operation {
        path,
        one_time,
        ends_session,
        ..
    } = operation;
    let name = operation.rust_name();
    let method = format_ident!("{}", operation.method);
    let opened_by = operation.opened_by.iter().map(|name| {
        let name = format_ident!("{name}");
        quote! { Credential::#name }
    });
    quote! {
        About {
            name: #name,
            method: Method::#method,
            path: #path,
            opened_by: &[#(#opened_by),*],
            one_time: #one_time,
            ends_session: #ends_session,
        }
    }
}

fn paged(name: &proc_macro2::Ident, page: &Page) -> TokenStream {
    let item = format_ident!("{}", page.item.to_pascal_case());
    let entries = format_ident!("{}", page.entries.to_snake_case());
    let total = format_ident!("{}", page.total.to_snake_case());
    let offset = &page.offset;
    quote! {
        impl crate::pages::Paged for #name {
            type Item = types::#item;
            const OFFSET: &'static str = #offset;
            #[inline]
            fn page(answer: Self::Answer) -> (Vec<Self::Item>, u64) {
                (answer.#entries, answer.#total.into())
            }
        }
    }
}

/// Writes the methods of the client, and the setters for optional parts of calls.
pub fn methods(operations: &[Operation]) -> TokenStream {
    let methods = operations.iter().map(method);
    let setters = operations.iter().filter_map(setters);
    quote! {
        /// The operations of the document.
        impl Client {
            #(#methods)*
        }
        #(#setters)*
    }
}

fn method(operation: &Operation) -> TokenStream {
    let name = format_ident!("{}", operation.rust_name());
    let call = format_ident!("{}", operation.type_name());
    let prose = format!(
        "{}.\n\n{}\n\n{}; [`types::{}`] has its errors.",
        operation.summary.trim_end_matches('.'),
        operation.description,
        heading(operation),
        operation.error_name()
    );
    let prose = prose.lines();
    let mut arguments = Vec::new();
    let mut steps = Vec::new();
    for parameter in &operation.path_parameters {
        let (name, taken, value) = argument(parameter);
        arguments.push(quote! { #name: #taken });
        steps.push(quote! { .path(#value) });
    }
    if let Some(
        body @ Body {
            optional: false, ..
        },
    ) = &operation.body
    {
        let kind = schema(Some(&body.schema));
        let step = sending(body);
        arguments.push(quote! { request: #kind });
        steps.push(quote! { .#step(&request) });
    }
    quote! {
        #(#[doc = #prose])*
        #[inline]
        pub fn #name(&self, #(#arguments),*) -> Call<calls::#call> {
            Call::new(&self.core)#(#steps)*
        }
    }
}

fn sending(body: &Body) -> proc_macro2::Ident {
    format_ident!("{}", if body.form { "form" } else { "json" })
}

/// Returns a parameter's name, the type that is accepted for it, and the expression that is sent.
fn argument(parameter: &Parameter) -> (proc_macro2::Ident, TokenStream, TokenStream) {
    let name = format_ident!("{}", parameter.name.to_snake_case());
    match parameter.number {
        Some(number) => {
            let number = format_ident!("{number}");
            (name.clone(), quote! { #number }, quote! { &#name })
        }
        None => (
            name.clone(),
            quote! { impl AsRef<str> },
            quote! { &#name.as_ref() },
        ),
    }
}

fn setters(operation: &Operation) -> Option<TokenStream> {
    let call = format_ident!("{}", operation.type_name());
    let optional = operation.body.as_ref().filter(|body| body.optional);
    if optional.is_none() && operation.query.is_empty() {
        return None;
    }
    let body = optional.map(|body| {
        let (kind, step) = (schema(Some(&body.schema)), sending(body));
        quote! {
            /// Sends a body along, which the call does not need.
            #[inline]
            pub fn body(self, request: #kind) -> Self {
                self.#step(&request)
            }
        }
    });
    let query = operation.query.iter().map(|parameter| {
        let (name, taken, value) = argument(parameter);
        let (wire, prose) = (&parameter.name, &parameter.description);
        quote! {
            #[doc = #prose]
            #[inline]
            pub fn #name(self, #name: #taken) -> Self {
                self.query(#wire, #value)
            }
        }
    });
    let prose = format!("What may be set of [`Client::{}`].", operation.rust_name());
    Some(quote! {
        #[doc = #prose]
        impl Call<calls::#call> {
            #body
            #(#query)*
        }
    })
}
