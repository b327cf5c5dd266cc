module countersign.dev/drivers/http

go 1.26.0
