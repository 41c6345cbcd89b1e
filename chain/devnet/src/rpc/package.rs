//! MovePackageService: what packages contain, as their bytecode says.

use std::sync::Arc;

use floe_move_vm::{
    Abilities, Package,
    module::{
        DatatypeHandle, Field, Function, FunctionHandle, Layout, Module, SignatureIndex,
        SignatureToken, Visibility,
    },
};
use sui_rpc::proto::sui::rpc::v2::{
    Ability, DatatypeDescriptor, FieldDescriptor, FunctionDescriptor, GetDatatypeRequest,
    GetDatatypeResponse, GetFunctionRequest, GetFunctionResponse, GetPackageRequest,
    GetPackageResponse, Linkage, ListPackageVersionsRequest, ListPackageVersionsResponse,
    Module as ModuleMessage, OpenSignature, OpenSignatureBody, Package as PackageMessage,
    PackageVersion, TypeOrigin, TypeParameter, VariantDescriptor,
    datatype_descriptor::DatatypeKind, function_descriptor,
    move_package_service_server::MovePackageService, open_signature::Reference,
    open_signature_body::Type,
};
use sui_sdk_types::{Address, Identifier, MovePackage};
use tonic::{Request, Status};

use super::{Reply, Services, status};
use crate::{ledger::Ledger, packages::Packages};

/// Versions per page if a request does not say, and at most.
const PAGE: (u32, u32) = (1_000, 10_000);

#[tonic::async_trait]
impl MovePackageService for Services {
    async fn get_package(&self, request: Request<GetPackageRequest>) -> Reply<GetPackageResponse> {
        let request = request.into_inner();
        let id = status::address("package_id", request.package_id.as_deref())?;
        let read = move |ledger: &Ledger| {
            let (described, stored) = find(ledger, &id)?;
            let mut response = GetPackageResponse::default();
            response.package = Some(described.package(&stored));
            Ok::<_, Status>(response)
        };
        Ok(self.node.read(read).await??.into())
    }

    async fn get_datatype(
        &self,
        request: Request<GetDatatypeRequest>,
    ) -> Reply<GetDatatypeResponse> {
        let request = request.into_inner();
        let id = status::address("package_id", request.package_id.as_deref())?;
        let module: Identifier = status::parse("module_name", request.module_name.as_deref())?;
        let name: Identifier = status::parse("name", request.name.as_deref())?;
        let read = move |ledger: &Ledger| {
            let (described, _) = find(ledger, &id)?;
            let found = described.module(&module)?.datatype_named(&name);
            let (handle, layout) = found.ok_or_else(|| absent(&id, &module, &name))?;
            let mut response = GetDatatypeResponse::default();
            response.datatype =
                Some(described.datatype(described.module(&module)?, handle, layout));
            Ok::<_, Status>(response)
        };
        Ok(self.node.read(read).await??.into())
    }

    async fn get_function(
        &self,
        request: Request<GetFunctionRequest>,
    ) -> Reply<GetFunctionResponse> {
        let request = request.into_inner();
        let id = status::address("package_id", request.package_id.as_deref())?;
        let module: Identifier = status::parse("module_name", request.module_name.as_deref())?;
        let name: Identifier = status::parse("name", request.name.as_deref())?;
        let read = move |ledger: &Ledger| {
            let (described, _) = find(ledger, &id)?;
            let code = described.module(&module)?;
            let mut functions = code.functions();
            let found = functions.find(|(_, handle, _)| handle.name == name);
            let (_, handle, function) = found.ok_or_else(|| absent(&id, &module, &name))?;
            let mut response = GetFunctionResponse::default();
            response.function = Some(described.function(code, handle, function));
            Ok::<_, Status>(response)
        };
        Ok(self.node.read(read).await??.into())
    }

    async fn list_package_versions(
        &self,
        request: Request<ListPackageVersionsRequest>,
    ) -> Reply<ListPackageVersionsResponse> {
        let request = request.into_inner();
        let id = status::address("package_id", request.package_id.as_deref())?;
        let after = match request.page_token.as_deref().unwrap_or_default() {
            [] => 0,
            token => token
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| status::invalid("page_token", "not a token of this server"))?,
        };
        let size = request
            .page_size
            .filter(|size| *size > 0)
            .unwrap_or(PAGE.0)
            .min(PAGE.1);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let read = move |ledger: &Ledger| {
            let (described, _) = find(ledger, &id)?;
            let original = described.package.original();
            let versions = ledger.packages().versions(&original);
            let mut versions = versions.filter(|(version, _)| *version > after);
            let mut response = ListPackageVersionsResponse::default();
            for (number, storage) in versions.by_ref().take(size) {
                let mut version = PackageVersion::default();
                version.package_id = Some(storage.to_string());
                version.version = Some(number);
                response.versions.push(version);
            }
            if versions.next().is_some() {
                let last = response.versions.last().and_then(|version| version.version);
                response.next_page_token = last.map(|last| last.to_be_bytes().to_vec().into());
            }
            Ok::<_, Status>(response)
        };
        Ok(self.node.read(read).await??.into())
    }
}

fn absent(package: &Address, module: &Identifier, name: &Identifier) -> Status {
    Status::not_found(format!("{package}::{module}::{name} not found"))
}

fn find<'a>(ledger: &'a Ledger, id: &Address) -> Result<(Described<'a>, MovePackage), Status> {
    let package = ledger.packages().get(id).cloned();
    let stored = ledger.view().move_package(id);
    match (package, stored) {
        (Some(package), Some(stored)) => Ok((
            Described {
                package,
                packages: ledger.packages(),
            },
            stored,
        )),
        _ => Err(Status::not_found(format!("Package {id} not found"))),
    }
}

/// A package being described, with the others it names.
struct Described<'a> {
    package: Arc<Package>,
    packages: &'a Packages,
}

impl Described<'_> {
    fn module(&self, name: &Identifier) -> Result<&Module, Status> {
        let found = self.package.module(name.as_str());
        let missing = || Status::not_found(format!("module {name} not found"));
        found.map(AsRef::as_ref).ok_or_else(missing)
    }

    fn package(&self, stored: &MovePackage) -> PackageMessage {
        let mut message = PackageMessage::default();
        message.storage_id = Some(stored.id.to_string());
        message.original_id = Some(self.package.original().to_string());
        message.version = Some(stored.version);
        let modules = self.package.modules().iter();
        message.modules = modules
            .map(|(name, module)| self.describe(name, module, stored))
            .collect();
        message.type_origins = stored.type_origin_table.iter().map(type_origin).collect();
        let linkage = stored.linkage_table.iter().map(|(original, info)| {
            let mut linkage = Linkage::default();
            linkage.original_id = Some(original.to_string());
            linkage.upgraded_id = Some(info.upgraded_id.to_string());
            linkage.upgraded_version = Some(info.upgraded_version);
            linkage
        });
        message.linkage = linkage.collect();
        message
    }

    fn describe(&self, name: &Identifier, module: &Module, stored: &MovePackage) -> ModuleMessage {
        let mut message = ModuleMessage::default();
        message.name = Some(name.to_string());
        message.contents = stored.modules.get(name).map(|code| code.clone().into());
        let datatypes = module.datatypes();
        message.datatypes = datatypes
            .map(|(handle, layout)| self.datatype(module, handle, layout))
            .collect();
        let functions = module.functions();
        message.functions = functions
            .map(|(_, handle, function)| self.function(module, handle, function))
            .collect();
        message
    }

    fn datatype(
        &self,
        module: &Module,
        handle: &DatatypeHandle,
        layout: &Layout,
    ) -> DatatypeDescriptor {
        let defining = self.package.origin(module.name(), &handle.name);
        let mut message = DatatypeDescriptor::default();
        message.type_name = Some(format!("{defining}::{}::{}", module.name(), handle.name));
        message.defining_id = Some(defining.to_string());
        message.module = Some(module.name().to_string());
        message.name = Some(handle.name.to_string());
        message.abilities = abilities(handle.abilities);
        let parameters = handle.type_parameters.iter();
        message.type_parameters = parameters
            .map(|parameter| type_parameter(parameter.constraints, parameter.phantom))
            .collect();
        match layout {
            Layout::Struct(fields) => {
                message.kind = Some(DatatypeKind::Struct.into());
                message.fields = self.fields(module, fields);
            }
            Layout::Enum(variants) => {
                message.kind = Some(DatatypeKind::Enum.into());
                let variants = (0..).zip(variants).map(|(position, variant)| {
                    let mut message = VariantDescriptor::default();
                    message.name = Some(variant.name.to_string());
                    message.position = Some(position);
                    message.fields = self.fields(module, &variant.fields);
                    message
                });
                message.variants = variants.collect();
            }
        }
        message
    }

    fn fields(&self, module: &Module, fields: &[Field]) -> Vec<FieldDescriptor> {
        let describe = |(position, field): (u32, &Field)| {
            let mut message = FieldDescriptor::default();
            message.name = Some(field.name.to_string());
            message.position = Some(position);
            message.r#type = Some(self.body(module, &field.kind));
            message
        };
        (0..).zip(fields).map(describe).collect()
    }

    fn function(
        &self,
        module: &Module,
        handle: &FunctionHandle,
        function: &Function,
    ) -> FunctionDescriptor {
        let visibility = match function.visibility {
            Visibility::Private => function_descriptor::Visibility::Private,
            Visibility::Public => function_descriptor::Visibility::Public,
            Visibility::Package => function_descriptor::Visibility::Friend,
        };
        let mut message = FunctionDescriptor::default();
        message.name = Some(handle.name.to_string());
        message.visibility = Some(visibility.into());
        message.is_entry = Some(function.is_entry);
        let parameters = handle.type_parameters.iter();
        message.type_parameters = parameters
            .map(|constraints| type_parameter(*constraints, false))
            .collect();
        message.parameters = self.signature(module, handle.parameters);
        message.returns = self.signature(module, handle.returns);
        message
    }

    fn signature(&self, module: &Module, index: SignatureIndex) -> Vec<OpenSignature> {
        let tokens = module.signature(index).unwrap_or_default();
        let describe = |token: &SignatureToken| {
            let (reference, body) = match token {
                SignatureToken::Reference(target) => (Some(Reference::Immutable), &**target),
                SignatureToken::MutableReference(target) => (Some(Reference::Mutable), &**target),
                by_value => (None, by_value),
            };
            let mut message = OpenSignature::default();
            message.reference = reference.map(Into::into);
            message.body = Some(self.body(module, body));
            message
        };
        tokens.iter().map(describe).collect()
    }

    fn body(&self, module: &Module, token: &SignatureToken) -> OpenSignatureBody {
        let mut message = OpenSignatureBody::default();
        let kind = match token {
            SignatureToken::Bool => Type::Bool,
            SignatureToken::U8 => Type::U8,
            SignatureToken::U16 => Type::U16,
            SignatureToken::U32 => Type::U32,
            SignatureToken::U64 => Type::U64,
            SignatureToken::U128 => Type::U128,
            SignatureToken::U256 => Type::U256,
            SignatureToken::Address => Type::Address,
            SignatureToken::Vector(element) => {
                message.type_parameter_instantiation = vec![self.body(module, element)];
                Type::Vector
            }
            SignatureToken::Datatype(handle, arguments) => {
                message.type_name = module
                    .datatype_handle(*handle)
                    .and_then(|handle| self.name(module, handle));
                message.type_parameter_instantiation = arguments
                    .iter()
                    .map(|argument| self.body(module, argument))
                    .collect();
                Type::Datatype
            }
            SignatureToken::Parameter(index) => {
                message.type_parameter = Some((*index).into());
                Type::Parameter
            }
            // A signer, or a reference inside another type: no compiler emits them in a signature.
            SignatureToken::Signer
            | SignatureToken::Reference(_)
            | SignatureToken::MutableReference(_) => Type::Unknown,
        };
        message.r#type = Some(kind.into());
        message
    }

    /// A datatype's full name, by the package version that introduced it.
    fn name(&self, module: &Module, handle: &DatatypeHandle) -> Option<String> {
        let home = module.module_handle(handle.module)?;
        let package = if home.address == self.package.original() {
            self.package.clone()
        } else {
            self.packages
                .get(&self.package.link(&home.address))?
                .clone()
        };
        let defining = package.origin(&home.name, &handle.name);
        Some(format!("{defining}::{}::{}", home.name, handle.name))
    }
}

fn type_origin(origin: &sui_sdk_types::TypeOrigin) -> TypeOrigin {
    let mut message = TypeOrigin::default();
    message.module_name = Some(origin.module_name.to_string());
    message.datatype_name = Some(origin.struct_name.to_string());
    message.package_id = Some(origin.package.to_string());
    message
}

fn type_parameter(constraints: Abilities, phantom: bool) -> TypeParameter {
    let mut message = TypeParameter::default();
    message.constraints = abilities(constraints);
    message.is_phantom = Some(phantom);
    message
}

fn abilities(set: Abilities) -> Vec<i32> {
    let all = [
        (Abilities::COPY, Ability::Copy),
        (Abilities::DROP, Ability::Drop),
        (Abilities::STORE, Ability::Store),
        (Abilities::KEY, Ability::Key),
    ];
    all.into_iter()
        .filter(|(ability, _)| set.contains(*ability))
        .map(|(_, message)| message.into())
        .collect()
}
