//! Routes together with their description: a route that is not described cannot be
//! added, and the OpenAPI document is made of nothing else.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Paths, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::problem::Problem;
use crate::accounts::guard::Gate;

type Schemas = Vec<(String, RefOr<Schema>)>;

/// Routes, and what is said of them.
pub(super) struct Routes {
    pub(super) router: Router<Arc<Gate>>,
    paths: Paths,
    schemas: Schemas,
}

/// What is said of a route.
pub(super) struct About {
    operation: OperationBuilder,
    schemas: Schemas,
    /// 200, 201 or 204.
    success: (u16, Option<String>),
    /// Statuses of problems, besides those that every route has.
    problems: Vec<u16>,
    is_public: bool,
}

/// About a route of a group.
pub(super) fn about(group: &str, summary: &str) -> About {
    let operation = OperationBuilder::new().tag(group).summary(Some(summary));
    About { operation, schemas: Vec::new(), success: (204, None), problems: Vec::new(), is_public: false }
}

impl About {
    /// Answers 200 with this.
    pub(super) fn answers<T: ToSchema>(mut self) -> Self {
        self.success = (200, Some(self.learn::<T>()));
        self
    }

    /// Answers 201 with this.
    pub(super) fn makes<T: ToSchema>(mut self) -> Self {
        self.success = (201, Some(self.learn::<T>()));
        self
    }

    /// Takes this query.
    pub(super) fn asked<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.operation = self.operation.parameter(parameter);
        }
        self.problem(400)
    }

    /// Takes this body.
    pub(super) fn given<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(self.learn::<T>()))).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self.problem(400).problem(415)
    }

    /// May answer with this problem.
    pub(super) fn problem(mut self, status: u16) -> Self {
        self.problems.push(status);
        self
    }

    /// Changes something: not with a token that may only read.
    pub(super) fn changes(self) -> Self {
        self.problem(403)
    }

    /// Has a tag by which it is asked for again.
    pub(super) fn tagged(self) -> Self {
        self.problem(304)
    }

    /// Nobody has to be signed in.
    pub(super) fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    fn learn<T: ToSchema>(&mut self) -> String {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        name
    }

    fn operation(self, method: &str, path: &str) -> Operation {
        let mut operation = self.operation.operation_id(Some(id_of(method, path)));
        let mut problems = self.problems;
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            problems.push(404);
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
            operation = operation.parameter(parameter.schema(Some(text)));
        }
        if !self.is_public {
            problems.push(401);
        }
        problems.push(503);
        problems.sort_unstable();
        problems.dedup();
        let (status, body) = self.success;
        let mut success = ResponseBuilder::new().description(reason(status));
        if let Some(body) = body {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body))).build();
            success = success.content("application/json", content);
        }
        operation = operation.response(status.to_string(), success);
        for status in problems {
            let mut answer = ResponseBuilder::new().description(reason(status));
            if status >= 400 {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                answer = answer.content("application/problem+json", content);
            }
            operation = operation.response(status.to_string(), answer);
        }
        if !self.is_public {
            operation = operation.security(SecurityRequirement::new::<_, _, String>("token", []));
        }
        operation.build()
    }
}

/// `get_tenants_id_calls`.
fn id_of(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1").replace(['{', '}', '.'], "").replace(['/', '-'], "_");
    format!("{method}{words}")
}

fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem")
}

impl Routes {
    pub(super) fn new() -> Self {
        Routes { router: Router::new(), paths: Paths::new(), schemas: Vec::new() }
    }

    pub(super) fn get<H: Handler<T, Arc<Gate>>, T: 'static>(self, path: &str, handler: H, about: About) -> Self {
        self.add("get", path, routing::get(handler), about)
    }

    pub(super) fn post<H: Handler<T, Arc<Gate>>, T: 'static>(self, path: &str, handler: H, about: About) -> Self {
        self.add("post", path, routing::post(handler), about)
    }

    pub(super) fn delete<H: Handler<T, Arc<Gate>>, T: 'static>(self, path: &str, handler: H, about: About) -> Self {
        self.add("delete", path, routing::delete(handler), about)
    }

    fn add(mut self, method: &str, path: &str, handler: MethodRouter<Arc<Gate>>, mut about: About) -> Self {
        self.router = self.router.route(path, handler);
        self.schemas.append(&mut about.schemas);
        let verb = match method {
            "post" => HttpMethod::Post,
            "delete" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        let item = PathItem::new(verb, about.operation(method, path));
        match self.paths.paths.get_mut(path) {
            Some(known) => known.merge_operations(item),
            None => {
                self.paths.paths.insert(path.to_owned(), item);
            }
        }
        self
    }

    /// These and those.
    pub(super) fn and(mut self, mut more: Routes) -> Self {
        self.router = self.router.merge(more.router);
        self.schemas.append(&mut more.schemas);
        self.paths.merge(more.paths);
        self
    }

    /// The document.
    pub(super) fn document(&self) -> OpenApi {
        let mut schemas = self.schemas.clone();
        schemas.push((Problem::name().into_owned(), Problem::schema()));
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token (tly_…), or the token of a session (tls_…)"))
            .build();
        let components = ComponentsBuilder::new()
            .schemas_from_iter(schemas)
            .security_scheme("token", SecurityScheme::Http(token))
            .build();
        let info =
            InfoBuilder::new().title("Tallyline").version("v1").description(Some(include_str!("about.md"))).build();
        OpenApiBuilder::new().info(info).paths(self.paths.clone()).components(Some(components)).build()
    }
}
