//! Writes the mocks: for each operation its answers, and a method that puts one on an httpmock
//! server.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::Lowered;

/// Writes the mocks' file.
pub fn tokens(lowered: &Lowered) -> TokenStream {
    let document = format_ident!("{}", lowered.name);
    let mocked = lowered.operations.iter().map(|operation| {
        let name = format_ident!("{}", operation.type_name());
        let success = operation.success;
        let errors = operation.errors.iter().map(|refusal| {
            let (code, status) = (&refusal.code, refusal.status);
            quote! { (#code, #status) }
        });
        quote! {
            impl Mocked for calls::#name {
                const SUCCESS: u16 = #success;
                const ERRORS: &'static [(&'static str, u16)] = &[#(#errors),*];
                fn envelope(status: u16, code: &str) -> serde_json::Value {
                    super::envelope(status, code)
                }
            }
        }
    });
    let methods: Vec<_> = lowered
        .operations
        .iter()
        .map(|operation| {
            let (name, call) = (operation.rust_name(), operation.type_name());
            let prose = format!("Mocks `{} {}`.", operation.method, operation.path);
            let (name, call) = (format_ident!("{name}"), format_ident!("{call}"));
            let signature = quote! {
                fn #name<F>(&self, mock: F) -> httpmock::Mock<'_>
                where
                    F: FnOnce(When<calls::#call>, Then<calls::#call>)
            };
            (prose, signature)
        })
        .collect();
    let declared = methods
        .iter()
        .map(|(prose, signature)| quote! { #[doc = #prose] #signature; });
    let written = methods
        .iter()
        .map(|(_, signature)| quote! { #signature { on(self, mock) } });
    quote! {
        use crate::#document::calls;
        use crate::mock::{Mocked, Then, When, on, sealed};

        #(#mocked)*

        /// A mock of each operation, as a method of the server that stands in.
        pub trait MockServerExt: sealed::Server { #(#declared)* }

        impl MockServerExt for httpmock::MockServer { #(#written)* }
    }
}
