import type { ActionClass } from '../../../engine/index.ts'
import type { NodeKind } from './ast.ts'

/** Every node of PostgreSQL 18's grammar that is a statement, or part of one by the same name. */
export type StatementNode = Extract<NodeKind, `${string}Stmt`>

/** How a statement is named that is not looked into: its kind, its class, and where the name of its subject stands. */
export interface Definition {
  readonly kind: string
  readonly class: ActionClass
  /** The catalogue is another one afterwards. */
  readonly changesCatalog: boolean
  /** `type field`: the resource's type and the tree's field that holds its name; null where it is about no object. */
  readonly subject: { readonly type: string; readonly field: string } | null
  /** It runs code that can't be seen into, or has another server do so. */
  readonly runs: string | null
}

/** `analysed`: looked into by a room of its own, and so named there. `inner`: stands in other statements only. */
type Entry = Definition | 'analysed' | 'inner'

function define(kind: string, subject?: string, runs: string | null = null): Definition {
  return { kind, class: 'control', changesCatalog: true, subject: subjectOf(subject), runs }
}

function destroy(kind: string, subject?: string): Definition {
  return { ...define(kind, subject), class: 'destroy' }
}

function control(kind: string, subject?: string, runs: string | null = null): Definition {
  return { ...define(kind, subject, runs), changesCatalog: false }
}

function subjectOf(text: string | undefined): Definition['subject'] {
  if (text === undefined) return null
  const [type = '', field = ''] = text.split(' ')
  return { type, field }
}

/** One line a statement. A grammar that grows doesn't compile until somebody has thought about it. */
export const STATEMENTS: Readonly<Record<StatementNode, Entry>> = {
  RawStmt: 'inner',
  SetOperationStmt: 'inner',
  ReturnStmt: 'inner',
  PLAssignStmt: 'inner',
  ReplicaIdentityStmt: 'inner',

  SelectStmt: 'analysed',
  InsertStmt: 'analysed',
  UpdateStmt: 'analysed',
  DeleteStmt: 'analysed',
  MergeStmt: 'analysed',
  CopyStmt: 'analysed',
  CreateTableAsStmt: 'analysed',
  ExplainStmt: 'analysed',
  PrepareStmt: 'analysed',
  ExecuteStmt: 'analysed',
  DeallocateStmt: 'analysed',
  DeclareCursorStmt: 'analysed',
  FetchStmt: 'analysed',
  ClosePortalStmt: 'analysed',
  DiscardStmt: 'analysed',
  TransactionStmt: 'analysed',
  VariableSetStmt: 'analysed',
  VariableShowStmt: 'analysed',

  DoStmt: control('do', undefined, 'do'),
  CallStmt: control('call', undefined, 'procedure'),
  LoadStmt: control('load', undefined, 'library'),

  CreateStmt: define('create_table'),
  CreateForeignTableStmt: define('create_foreign_table', 'server servername'),
  ViewStmt: define('create_view'),
  IndexStmt: define('create_index'),
  CreateSeqStmt: define('create_sequence'),
  CreateSchemaStmt: define('create_schema', 'schema schemaname'),
  CreateTrigStmt: define('create_trigger'),
  RuleStmt: define('create_rule'),
  CreatePolicyStmt: define('create_policy'),
  CreateStatsStmt: define('create_statistics', 'statistics defnames'),
  CreateFunctionStmt: define('create_function', 'function funcname'),
  CreateDomainStmt: define('create_domain', 'type domainname'),
  CreateEnumStmt: define('create_type', 'type typeName'),
  CreateRangeStmt: define('create_type', 'type typeName'),
  CompositeTypeStmt: define('create_type'),
  DefineStmt: define('create_object', 'object defnames'),
  CreateCastStmt: define('create_cast'),
  CreateConversionStmt: define('create_conversion', 'conversion conversion_name'),
  CreateTransformStmt: define('create_transform', 'language lang'),
  CreateOpClassStmt: define('create_operator_class', 'operator-class opclassname'),
  CreateOpFamilyStmt: define('create_operator_family', 'operator-family opfamilyname'),
  CreateAmStmt: define('create_access_method', 'access-method amname'),
  CreatePLangStmt: define('create_language', 'language plname'),
  CreateEventTrigStmt: define('create_event_trigger', 'event-trigger trigname'),
  CreateExtensionStmt: define('create_extension', 'extension extname', 'extension script'),
  CreateFdwStmt: define('create_foreign_data_wrapper', 'foreign-data-wrapper fdwname'),
  CreateForeignServerStmt: define('create_server', 'server servername'),
  CreateUserMappingStmt: define('create_user_mapping', 'server servername'),
  ImportForeignSchemaStmt: define('import_foreign_schema', 'server server_name', 'foreign server'),
  CreatePublicationStmt: define('create_publication', 'publication pubname'),
  CreateSubscriptionStmt: define('create_subscription', 'subscription subname', 'foreign server'),
  CreateRoleStmt: control('create_role', 'role role'),
  CreateTableSpaceStmt: control('create_tablespace', 'tablespace tablespacename'),
  CreatedbStmt: control('create_database', 'database dbname'),

  AlterTableStmt: define('alter_table'),
  AlterTableMoveAllStmt: define('alter_table', 'tablespace orig_tablespacename'),
  AlterSeqStmt: define('alter_sequence'),
  AlterPolicyStmt: define('alter_policy'),
  AlterStatsStmt: define('alter_statistics', 'statistics defnames'),
  AlterFunctionStmt: define('alter_function', 'function func'),
  AlterDomainStmt: define('alter_domain', 'type typeName'),
  AlterEnumStmt: define('alter_type', 'type typeName'),
  AlterTypeStmt: define('alter_type', 'type typeName'),
  AlterCollationStmt: define('alter_collation', 'collation collname'),
  AlterOperatorStmt: define('alter_operator', 'operator opername'),
  AlterOpFamilyStmt: define('alter_operator_family', 'operator-family opfamilyname'),
  AlterEventTrigStmt: define('alter_event_trigger', 'event-trigger trigname'),
  AlterExtensionStmt: define('alter_extension', 'extension extname', 'extension script'),
  AlterExtensionContentsStmt: define('alter_extension', 'extension extname'),
  AlterFdwStmt: define('alter_foreign_data_wrapper', 'foreign-data-wrapper fdwname'),
  AlterForeignServerStmt: define('alter_server', 'server servername'),
  AlterUserMappingStmt: define('alter_user_mapping', 'server servername'),
  AlterPublicationStmt: define('alter_publication', 'publication pubname'),
  AlterSubscriptionStmt: define('alter_subscription', 'subscription subname', 'foreign server'),
  AlterTSDictionaryStmt: define('alter_text_search', 'text-search dictname'),
  AlterTSConfigurationStmt: define('alter_text_search', 'text-search cfgname'),
  AlterObjectDependsStmt: define('alter_depends', 'object object'),
  AlterObjectSchemaStmt: define('alter_schema_of', 'object object'),
  AlterOwnerStmt: define('alter_owner', 'object object'),
  RenameStmt: define('rename', 'object object'),
  AlterRoleStmt: control('alter_role', 'role role'),
  AlterRoleSetStmt: control('alter_role', 'role role'),
  AlterDatabaseStmt: control('alter_database', 'database dbname'),
  AlterDatabaseSetStmt: control('alter_database', 'database dbname'),
  AlterDatabaseRefreshCollStmt: control('alter_database', 'database dbname'),
  AlterTableSpaceOptionsStmt: control('alter_tablespace', 'tablespace tablespacename'),
  AlterSystemStmt: control('alter_system'),

  GrantStmt: define('grant', 'object objects'),
  GrantRoleStmt: define('grant_role', 'role granted_roles'),
  AlterDefaultPrivilegesStmt: define('alter_default_privileges'),
  ReassignOwnedStmt: define('reassign_owned', 'role roles'),
  CommentStmt: define('comment', 'object object'),
  SecLabelStmt: define('security_label', 'object object'),

  DropStmt: destroy('drop', 'object objects'),
  DropOwnedStmt: destroy('drop_owned', 'role roles'),
  DropRoleStmt: destroy('drop_role', 'role roles'),
  DropTableSpaceStmt: destroy('drop_tablespace', 'tablespace tablespacename'),
  DropUserMappingStmt: destroy('drop_user_mapping', 'server servername'),
  DropSubscriptionStmt: destroy('drop_subscription', 'subscription subname'),
  DropdbStmt: destroy('drop_database', 'database dbname'),
  TruncateStmt: { ...destroy('truncate'), changesCatalog: false },

  RefreshMatViewStmt: control('refresh_materialized_view'),
  LockStmt: control('lock'),
  VacuumStmt: control('vacuum'),
  ClusterStmt: control('cluster'),
  ReindexStmt: control('reindex'),
  CheckPointStmt: control('checkpoint'),
  ConstraintsSetStmt: control('set_constraints'),
  ListenStmt: control('listen', 'channel conditionname'),
  UnlistenStmt: control('unlisten', 'channel conditionname'),
  NotifyStmt: control('notify', 'channel conditionname'),
}

export function isStatementNode(kind: string): kind is StatementNode {
  return Object.hasOwn(STATEMENTS, kind)
}

const ANALYSED: Readonly<Record<string, string>> = {
  SelectStmt: 'select',
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
  CopyStmt: 'copy',
  CreateTableAsStmt: 'create_table_as',
  ExplainStmt: 'explain',
  PrepareStmt: 'prepare',
  ExecuteStmt: 'execute',
  DeallocateStmt: 'deallocate',
  DeclareCursorStmt: 'declare_cursor',
  FetchStmt: 'fetch',
  ClosePortalStmt: 'close',
  DiscardStmt: 'discard',
  TransactionStmt: 'transaction',
  VariableSetStmt: 'set',
  VariableShowStmt: 'show',
}

/** What a statement is called that can't be looked into. */
export function plainKind(node: string): string {
  const entry = isStatementNode(node) ? STATEMENTS[node] : 'inner'
  return typeof entry === 'object' ? entry.kind : (ANALYSED[node] ?? 'unknown')
}
