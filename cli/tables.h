// Tables for people: what train prints before its first step and inspect prints of a file.
#ifndef ATHANOR_CLI_TABLES_H_
#define ATHANOR_CLI_TABLES_H_

#include <map>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Columns as wide as their widest cell; numbers (cells that begin with a digit) to the right. The first row is the head.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "61,706"
std::string WithCommas(int64_t n);
// "1.43 MiB (1,499,136 bytes)"
std::string FormatBytes(int64_t bytes);

// Layers of an entry of a model: name, operator, output shape, parameters, and floating-point operations a sample where
// `flops` (by node) has them; with totals.
std::string LayerTable(const Graph& model, const std::string& entry, const std::map<std::string, double>& flops = {});
int64_t CountParameters(const Graph& model);

// The parts of a plan's peak, one line each.
std::string MemorySummary(const Plan& plan);

}  // namespace athanor

#endif  // ATHANOR_CLI_TABLES_H_
