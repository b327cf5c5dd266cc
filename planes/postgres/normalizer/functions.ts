/**
 * Built-in functions that only compute: from their arguments, the clock, random bits, or the catalogue's public facts.
 * None reads a table's rows by a name or query in a string, none changes anything, waits, or reaches a file or another
 * server. A name stands for all built-ins of that name; what isn't here is refused.
 */
const ALLOWED: ReadonlySet<string> = new Set(
  `
  count sum avg min max stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
  regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
  bool_and bool_or every bit_and bit_or bit_xor array_agg string_agg any_value range_agg range_intersect_agg
  json_agg jsonb_agg json_object_agg jsonb_object_agg json_agg_strict jsonb_agg_strict
  json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
  jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict xmlagg
  mode percentile_cont percentile_disc
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value

  ascii bit_length btrim char_length character_length casefold chr concat concat_ws decode encode format initcap left
  length lower lpad ltrim md5 normalize is_normalized octet_length overlay parse_ident position quote_ident
  quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
  regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim split_part
  starts_with string_to_array string_to_table strpos substr substring to_ascii to_bin to_hex to_oct translate
  unistr unicode_assigned unicode_version upper like_escape similar_escape similar_to_escape convert convert_from convert_to
  sha224 sha256 sha384 sha512 crc32 crc32c get_bit get_byte set_bit set_byte bit_count

  abs cbrt ceil ceiling degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi power pow
  radians random random_normal round scale sign sqrt trim_scale trunc width_bucket
  acos acosd asin asind atan atan2 atan2d atand cos cosd cot cotd sin sind tan tand
  sinh cosh tanh asinh acosh atanh

  age clock_timestamp date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
  justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
  statement_timestamp timeofday timezone to_char to_date to_number to_timestamp transaction_timestamp

  array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions
  array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_string
  array_upper cardinality trim_array unnest generate_series generate_subscripts
  range_merge lower_inc lower_inf upper_inc upper_inf isempty multirange
  int4range int8range numrange tsrange tstzrange daterange
  int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange

  to_json to_jsonb array_to_json row_to_json json_build_array jsonb_build_array json_build_object jsonb_build_object
  json_object jsonb_object json_array_elements jsonb_array_elements json_array_elements_text
  jsonb_array_elements_text json_array_length jsonb_array_length json_each jsonb_each json_each_text jsonb_each_text
  json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_object_keys
  jsonb_object_keys json_populate_record jsonb_populate_record json_populate_recordset jsonb_populate_recordset
  json_to_record jsonb_to_record json_to_recordset jsonb_to_recordset json_strip_nulls jsonb_strip_nulls jsonb_set
  jsonb_set_lax jsonb_insert jsonb_delete jsonb_delete_path jsonb_path_exists jsonb_path_match jsonb_path_query
  jsonb_path_query_array jsonb_path_query_first jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz
  jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_pretty json_typeof jsonb_typeof
  jsonb_concat jsonb_exists jsonb_exists_any jsonb_exists_all jsonb_contains jsonb_contained

  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline ts_rank ts_rank_cd setweight
  strip numnode querytree tsquery_phrase tsvector_to_array array_to_tsvector ts_delete ts_filter
  get_current_ts_config json_to_tsvector jsonb_to_tsvector
  xmlcomment xmltext xpath xpath_exists xmlexists xml_is_well_formed xml_is_well_formed_content
  xml_is_well_formed_document

  abbrev broadcast family host hostmask masklen netmask network set_masklen text inet_same_family inet_merge
  macaddr8_set7bit gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version
  area center diagonal diameter height isclosed isopen npoints path pclose point polygon popen
  radius slope width bound_box box circle line lseg
  enum_first enum_last enum_range num_nonnulls num_nulls
  bool bpchar char name varchar int2 int4 int8 float4 float8 numeric money date time timetz timestamp timestamptz
  interval bit varbit xml cidr macaddr oid regclass

  version current_schema current_schemas current_database current_user session_user system_user
  pg_backend_pid pg_is_in_recovery pg_postmaster_start_time pg_conf_load_time pg_client_encoding getdatabaseencoding
  inet_client_addr inet_client_port inet_server_addr inet_server_port pg_my_temp_schema pg_is_other_temp_schema
  pg_encoding_to_char pg_char_to_encoding pg_typeof pg_basetype format_type pg_column_size pg_column_compression
  pg_get_userbyid pg_get_expr pg_get_constraintdef pg_get_indexdef pg_get_viewdef pg_get_ruledef pg_get_triggerdef
  pg_get_functiondef pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
  pg_get_function_arg_default pg_get_function_sqlbody pg_get_partkeydef pg_get_partition_constraintdef
  pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions
  pg_get_serial_sequence pg_get_replica_identity_index pg_get_keywords pg_get_catalog_foreign_keys
  pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_options_to_table
  pg_partition_tree pg_partition_ancestors pg_partition_root pg_relation_is_publishable pg_relation_is_updatable
  pg_column_is_updatable pg_get_publication_tables
  pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_operator_is_visible pg_opclass_is_visible
  pg_opfamily_is_visible pg_collation_is_visible pg_conversion_is_visible pg_statistics_obj_is_visible
  pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
  pg_collation_for pg_collation_actual_version pg_describe_object pg_identify_object
  pg_identify_object_as_address pg_get_object_address
  pg_relation_size pg_table_size pg_total_relation_size pg_indexes_size pg_database_size pg_tablespace_size
  pg_size_pretty pg_size_bytes pg_tablespace_location pg_relation_filenode pg_filenode_relation
  pg_timezone_names pg_timezone_abbrevs_zone pg_timezone_abbrevs_abbrevs pg_has_role row_security_active acldefault aclexplode makeaclitem aclcontains
  has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
  has_function_privilege has_language_privilege has_parameter_privilege has_schema_privilege
  has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege
  obj_description shobj_description col_description
  to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole
  to_regtype to_regtypemod
  txid_current_if_assigned pg_current_xact_id_if_assigned pg_xact_commit_timestamp mxid_age pg_sequence_parameters
  `
    .trim()
    .split(/\s+/),
)

/** In information_schema, and only called with that schema: what pgjdbc reads keys with. */
const ALLOWED_INFORMATION_SCHEMA: ReadonlySet<string> = new Set(['_pg_expandarray'])

/** Whether a built-in of this schema and name may be called. */
export function isAllowedFunction(schema: string, name: string): boolean {
  switch (schema) {
    case 'pg_catalog':
      return ALLOWED.has(name)
    case 'information_schema':
      return ALLOWED_INFORMATION_SCHEMA.has(name)
    default:
      return false
  }
}

/** For the tests: every name on the list. */
export const ALLOWED_FUNCTIONS: ReadonlySet<string> = ALLOWED
